/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How writing to one target goes: journal lines when it begins to fail and when it works again, a check of
 * the health document, and metrics capi_node_publish_…. Not a condition: it could not be published, and a
 * server that restarts makes no node unhealthy. */

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

/* Shorter trouble is a server that restarts: it is in the journal and the metrics, but the check stays as it
 * is. */
#define PUBLISH_GRACE_USEC (120 * UINT64_C(1000000))

struct publish_status {
        const char *target;                /* "kubernetes": the check's name and the metrics' label */
        bool published;                    /* what is there now is ours */
        uint64_t failing_usec;             /* CLOCK_BOOTTIME since when writes fail; 0: they do not */
        char *reason, *message;            /* of the failure */
        uint64_t tried_usec, success_usec; /* CLOCK_REALTIME; 0: never */
        const char *check;                 /* the check's status as last told, and since when */
        uint64_t check_usec;
};

/* 64 bits that differ between nodes, for schedule_failed: random, or early in a boot the time. */
uint64_t publish_random(void);

void publish_status_clear(struct publish_status *status);

void publish_failed(struct publish_status *status, const char *reason, const char *message);
/* what says what is published now: "the conditions of Node cp-0". */
void publish_succeeded(struct publish_status *status, const char *what);

/* Appends the check. While nothing was published and nothing failed for long it is Unknown, with the reason
 * and message given here; OK with message when it is. Returns 0 or -ENOMEM. */
int publish_status_check(struct publish_status *status, const char *unknown_reason, const char *message,
                         json_object *checks);
/* Adds the sample of one outcome of requests, named by its reason. Returns 0 or -ENOMEM. */
int publish_status_count(const struct publish_status *status, const char *reason, uint64_t requests,
                         json_object *metrics);
int publish_status_metrics(const struct publish_status *status, json_object *metrics);
