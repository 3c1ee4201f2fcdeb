/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When to write to a server that thousands of nodes write to: changes at once but together, a heartbeat that
 * differs from node to node, and a back-off that spreads the nodes evenly. Pure: times are CLOCK_BOOTTIME
 * microseconds and parameters.
 *
 * The back-off: from the first failure on, time is cut into windows that follow each other, each half as long
 * again as the one before up to SCHEDULE_BACKOFF_MAX_USEC, and a node tries once in each of them: always
 * after the same share of it, which it draws at random at the first failure. So a node's first try is
 * anywhere in the first window (full jitter), and at every moment of an outage that all nodes see, the tries
 * to come are spread evenly over a window: wherever the server comes back, its clients return at an even
 * rate, at most half above the mean where one window ends and a longer one begins. The usual full jitter
 * draws each wait anew (uniformly from 0 to the ceiling); then what is left of the waits when the server
 * returns is not uniform: its density falls linearly from twice the mean to nothing, which was measured as a
 * peak of 2.7 times the mean for 2,000 nodes. */

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_SETTLE_USEC (100 * UINT64_C(1000))   /* what changes together goes together */
#define SCHEDULE_BATCH_USEC  (15 * UINT64_C(1000000)) /* between two writes for changes, in the long run */
#define SCHEDULE_BACKOFF_MAX_USEC \
        (120 * UINT64_C(1000000)) /* the longest wait, and the spread after an outage */

struct publish_schedule {
        uint64_t heartbeat_usec; /* between two writes without a change, jitter included */
        uint64_t batch_usec;     /* between two writes for changes, in the long run */
        unsigned burst;          /* so many may follow one another at once after a quiet time; 0 is as 1 */
        uint64_t full_usec;      /* when the burst will be whole again (GCRA) */
        uint64_t changed_usec;   /* since when a change waits; 0: none does */
        uint64_t written_usec;   /* the last success; 0: none */
        uint64_t retry_usec;     /* while writes fail: not before; 0: the last one succeeded */

        uint64_t window_start_usec, window_usec; /* the window of retry_usec; 0: the last write succeeded */
        double share;                            /* of every window: where this node tries; 0 to 1 */
};

/* The heartbeat becomes 90 % to 110 % of what was asked for, always the same for the same key (the node's
 * name). Nothing else is touched. */
void schedule_set_heartbeat(struct publish_schedule *schedule, uint64_t heartbeat_usec, const char *key);

/* Something changed that has to be written. The first change that waits counts. */
void schedule_changed(struct publish_schedule *schedule, uint64_t now_usec);

/* A write with everything known now begins; changes from now on are new ones. */
void schedule_begun(struct publish_schedule *schedule);
void schedule_succeeded(struct publish_schedule *schedule, uint64_t now_usec);

/* The next try is in the next window. The first one, and any that follows, is at least backoff_usec long.
 * When the server named a time, the next try is that much later and the share of half as much again. random
 * is 64 random bits, of which the first failure in a row makes its share. */
void schedule_failed(struct publish_schedule *schedule, uint64_t now_usec, uint64_t backoff_usec,
                     uint64_t retry_after_usec, uint64_t random);

/* When the next write is due; UINT64_MAX: never, nothing was ever to be written. */
uint64_t schedule_due(const struct publish_schedule *schedule);
