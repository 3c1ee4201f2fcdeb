/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Asks every endpoint now and then whether a registry answers there: with the authorities, the client
 * certificate and the headers with which containerd asks it; a few at a time, each at its own stable moment
 * of the interval. Endpoints that are asked the same way are one. */

#include <systemd/sd-event.h>

#include "demotion.h"
#include "plan.h"
#include "report.h"
#include "standing.h"

#define PROBES_PARALLEL_MAX 4
#define PROBES_GAP_USEC     (100 * UINT64_C(1000))  /* between two starts */
#define PROBES_FIRST_USEC   (5 * UINT64_C(1000000)) /* within which an endpoint is asked for the first time */

struct probes;

/* What is to be told of the endpoints, or their order, changed; or all are settled. */
typedef void (*probes_changed_fn)(void *userdata);

int probes_new(sd_event *event, const char *root, probes_changed_fn changed, void *userdata,
               struct probes **ret);
struct probes *probes_free(struct probes *probes);
DEFINE_CLEANUP(struct probes *, probes_free)

/* Begins anew with a configuration, which is borrowed until the next call, and with what its files hold now.
 * What is known of endpoints that are asked the same way stays. With probes switched off all is forgotten.
 * Returns 0, mirror_plan_load's errors with a failure (what was before goes on), or -ENOMEM. */
int probes_configure(struct probes *probes, const struct mirror_config *config,
                     const struct containerd_version *version, struct failure *failure);

/* Takes from a report of a process before this one who could be used: of those one bad answer is no news
 * either. To be called before probes_configure. Returns 0 or -ENOMEM. */
int probes_remember(struct probes *probes, const struct report *report);

/* Whether everybody has answered, and is asked again only after a while (standing.h); also with nobody to
 * ask. */
bool probes_are_settled(const struct probes *probes);

/* Its plan, and a standing for each of the plan's hosts; NULL: not probed. */
const struct mirror_plan *probes_plan(const struct probes *probes);
const struct standing *probes_standing(const struct probes *probes, size_t host);
