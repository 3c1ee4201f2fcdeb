/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How copies get to targets that are not written while etcd sends: from a directory, when they are verified.
 * So a slow server never slows etcd's stream down, and one that is away costs it nothing. */

#include "destination.h"

struct delivery {
        const char *root;
        const char *cluster, *node;
        const char *source;            /* the directory of the verified copies */
        const struct manifest *newest; /* the one that was just taken */
        const struct interrupt *interrupt;
};

/* Where copies wait for other targets if no directory is one. */
extern const struct backup_target delivery_spool;

/* Brings the newest copy to the destination, and then those that it missed while it could not be reached: the
 * newest of them first, a few at most, so that nothing queues without bound. A failure is the destination's.
 */
void destination_deliver(struct destination *destination, const struct delivery *delivery);

/* Looks at what the destination holds of this node now, for who cannot look there. */
void destination_survey(struct destination *destination, const struct delivery *delivery);

/* Tells the resident part (target-state.h) what came of it. */
int destination_record(const struct destination *destination, const char *state_dir);

/* Removes this node's copies from the spool, but for `keep`; NULL: all of them. */
int delivery_clear_spool(const char *root, const char *cluster, const char *node,
                         const struct manifest *keep);
