/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Runs the checks of a table on sd-event, as schedule.h says when. */

#include <systemd/sd-event.h>

#include "node-health-config.h"
#include "schedule.h"

struct scheduler;

/* A check has another status or reason. */
typedef void (*scheduler_changed_fn)(void *userdata);

/* All that was due has run, and nothing is for a while. */
typedef void (*scheduler_done_fn)(void *userdata);

/* The table has count rows, the node outlives the scheduler. Nothing runs until scheduler_configure.
 * Returns 0, -EINVAL for an empty table, or sd-event's failure. */
int scheduler_new(sd_event *event, struct node *node, const struct check *table, size_t count,
                  scheduler_changed_fn changed, void *userdata, struct scheduler **ret);
struct scheduler *scheduler_free(struct scheduler *scheduler);
DEFINE_CLEANUP(struct scheduler *, scheduler_free)

/* Who is told of the end of a round, with the userdata of scheduler_new. */
void scheduler_on_done(struct scheduler *scheduler, scheduler_done_fn done);

/* Cancels what is under way. To be called before the configuration that the runs use changes. */
void scheduler_pause(struct scheduler *scheduler);

/* Switches every check on or off and starts those that are on, two at a time. Statuses stay. */
int scheduler_configure(struct scheduler *scheduler, const struct node_health_config *config,
                        const char *node_id);

/* One state for each row, in the table's order. */
const struct check_state *scheduler_states(const struct scheduler *scheduler);
