/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Carries the retention out at a target. Only for who holds the lock. */

#include "retention.h"
#include "store.h"

struct prune_request {
        const struct backup_config *config;
        const char *root, *node;
        const struct authentication_key *key; /* whose HMAC makes a copy ours; none: every copy's is good */
        uint64_t cluster_id;
        const struct member_list *members; /* NULL: not known */
        struct present present;
        char *held; /* room for RETENTION_WHY_MAX: why nothing is pruned now, else left alone; may be NULL */
};

/* Now, and since when this boot is known of, by the state directory; a boot that cannot be told began now. */
void prune_look_at_clock(const char *root, const char *state_dir, struct present *ret);

struct prune_plan {
        struct copies copies;
        struct retention_decision *decisions; /* of each copy */
};
#define _cleanup_prune_plan_ _cleanup_(prune_plan_clear) struct prune_plan
void prune_plan_clear(struct prune_plan *plan);

/* Decides about every copy of the configured cluster's name at the target. Returns 0, or store_list's errors
 * with a failure. */
int prune_decide(const struct prune_request *request, const struct backup_target *target, struct store *store,
                 struct prune_plan *ret, struct failure *failure);

struct prune_count {
        unsigned removed, locked;
};

/* Removes what the plan gives up, each node's oldest first. A copy that cannot be removed does not keep the
 * others; what cannot be removed a few times in a row is left for the next run. One that an object lock keeps
 * is no error: somebody wants it there. Returns 0, or the first error with its failure; counts in any case.
 */
int prune_carry_out(struct store *store, const struct prune_plan *plan, struct prune_count *ret,
                    struct failure *failure);
