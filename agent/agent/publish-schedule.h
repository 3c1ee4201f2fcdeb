/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When to write to a server that thousands of nodes write to: changes at once but together, a heartbeat that
 * differs from node to node, and a back-off with full jitter. Pure: times are CLOCK_BOOTTIME microseconds and
 * parameters. */

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_SETTLE_USEC (1 * UINT64_C(1000000))  /* what changes together goes together */
#define SCHEDULE_BATCH_USEC  (15 * UINT64_C(1000000)) /* between two writes for changes */
#define SCHEDULE_BACKOFF_MAX_USEC \
        (120 * UINT64_C(1000000)) /* the longest wait, and the spread after an outage */

struct publish_schedule {
        uint64_t heartbeat_usec; /* between two writes without a change, jitter included */
        uint64_t changed_usec;   /* since when a change waits; 0: none does */
        uint64_t written_usec;   /* the last success; 0: none */
        uint64_t retry_usec;     /* while writes fail: not before; 0: the last one succeeded */
        unsigned failures;       /* in a row */
};

/* The heartbeat becomes 90 % to 110 % of what was asked for, always the same for the same key (the node's
 * name). Nothing else is touched. */
void schedule_set_heartbeat(struct publish_schedule *schedule, uint64_t heartbeat_usec, const char *key);

/* Something changed that has to be written. The first change that waits counts. */
void schedule_changed(struct publish_schedule *schedule, uint64_t now_usec);

/* A write with everything known now begins; changes from now on are new ones. */
void schedule_begun(struct publish_schedule *schedule);
void schedule_succeeded(struct publish_schedule *schedule, uint64_t now_usec);

/* The next try is a random part of the back-off away, which starts at backoff_usec, doubles with each failure
 * in a row and ends at SCHEDULE_BACKOFF_MAX_USEC; when the server named a time, that much later and up to
 * half as much again. random is 64 random bits. */
void schedule_failed(struct publish_schedule *schedule, uint64_t now_usec, uint64_t backoff_usec,
                     uint64_t retry_after_usec, uint64_t random);

/* When the next write is due; UINT64_MAX: never, nothing was ever to be written. */
uint64_t schedule_due(const struct publish_schedule *schedule);
