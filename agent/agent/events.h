/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Events about this Node, one for each transition of a condition or a check (core/v1 Event,
 * kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1). A transition that was told within
 * the hour counts up the Event that is there, as client-go's correlator does, and a burst is cut: a flapping
 * condition must not fill etcd. Pure: what is sent, and when, is the caller's. */

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

#define EVENTS_MAX           16 /* remembered; beyond, the oldest is forgotten */
#define EVENTS_BURST         10 /* at once; then one for each interval */
#define EVENTS_INTERVAL_USEC (60 * UINT64_C(1000000))
#define EVENTS_RETRY_USEC    (30 * UINT64_C(1000000))
#define EVENTS_TRIES         3
#define EVENTS_LIFE_USEC     (3600 * UINT64_C(1000000)) /* the API server's default --event-ttl */

struct event {
        char *name; /* of the object; NULL: this place is free */
        char *type; /* of the condition; the name of the check */
        char *status, *reason, *message;
        bool good;                      /* Normal or Warning */
        uint64_t first_usec, last_usec; /* CLOCK_REALTIME */
        uint64_t seen_usec;             /* CLOCK_BOOTTIME of the last transition */
        unsigned count, sent_count, tries;
        bool created; /* the API server has it: the next one is a patch */
};

struct event_queue {
        struct event items[EVENTS_MAX];
        uint64_t full_usec;  /* when the burst will be whole again (GCRA) */
        uint64_t retry_usec; /* not before */
        uint64_t sent, dropped;
};

void event_queue_clear(struct event_queue *queue);

/* The condition (of the health document) of this node went to the status that it has. Returns 0 or -ENOMEM.
 */
int event_queue_add(struct event_queue *queue, const char *node, json_object *condition,
                    uint64_t boottime_usec, uint64_t realtime_usec);

/* When the next one may be sent; UINT64_MAX: there is none. */
uint64_t event_queue_due(const struct event_queue *queue);

/* The one to send now, the oldest first, or NULL; it counts against the rate from here. Valid until the next
 * event_queue_add. */
struct event *event_queue_take(struct event_queue *queue, uint64_t boottime_usec);

/* What to send: a new Event, or the merge patch of one that was created. */
int event_write(const struct event *event, const char *node, const char *uid, json_object **ret);

/* It was sent with its count of then: whether the API server took it, and whether it said that there is no
 * such object (then it is made anew). Dropped after EVENTS_TRIES. */
void event_queue_sent(struct event_queue *queue, const char *name, unsigned count, bool taken, bool missing,
                      uint64_t boottime_usec);
