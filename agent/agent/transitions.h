/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What of the health document becomes an Event: each transition of a condition; and each check that begins to
 * warn or to fail, unless a condition tells the same, with its end. Pure: time is a parameter. */

#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "node-object.h"

struct transitions {
        json_object *conditions; /* type → status, of which the next transition is */
        json_object *checks;     /* name → what was seen of it */
};

void transitions_clear(struct transitions *transitions);

/* What the Node said when we began is what the next transitions are from; later calls do nothing. Returns 0
 * or -ENOMEM. */
int transitions_learn(struct transitions *transitions, const struct node_object *node);

/* Adds an Event for each transition of the document; the first word about a condition or check is none.
 * document may be NULL. quiet: checks are only noted, because while the API server is lost each node would
 * have the same to say when it is back. Returns 0 or -ENOMEM. */
int transitions_note(struct transitions *transitions, const struct node_object *node, const char *name,
                     json_object *document, bool quiet, struct event_queue *events, uint64_t boottime_usec,
                     uint64_t realtime_usec);
