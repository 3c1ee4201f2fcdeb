/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who else changes our table: nftables' notifications, on the event loop. */

#include <systemd/sd-event.h>

#include "cleanup.h"
#include "touched-sets.h"

#define WRITER_SIZE 64

struct monitor;
/* Called when a transaction that was not made under a pause touched the table, or when notifications were
 * lost. writer: "nft (pid 812)", or "unknown". */
typedef void (*monitor_fn)(const char *writer, const struct touched_sets *touched, void *userdata);

int monitor_new(sd_event *event, monitor_fn changed, void *userdata, struct monitor **ret);
struct monitor *monitor_free(struct monitor *monitor);
DEFINE_CLEANUP(struct monitor *, monitor_free)

/* Our own transactions are not notified about: of a long list, each element would be. After the resume the
 * caller compares fingerprints. */
int monitor_pause(struct monitor *monitor);
int monitor_resume(struct monitor *monitor);
