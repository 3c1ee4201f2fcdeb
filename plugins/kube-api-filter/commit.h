/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Transactions after which the table has what is wanted, and nothing else. */

#include <stdbool.h>

#include "netlink.h"
#include "quantity.h"
#include "rule.h"
#include "ruleset.h"
#include "set.h"
#include "table.h"

#define CHAIN_INPUT "input" /* the base chain */

/* So long something is tried again that others, or lost answers, keep from coming through. */
#define COMMIT_USEC (5 * USEC_PER_SEC)

struct commit {
        struct batch *batch; /* the transaction under construction */
        const struct ruleset *ruleset;
        const struct table *before;                /* as it was at the beginning */
        uint32_t generation;                       /* of the rule set then, and with our transactions since */
        struct table_names sets, chains, counters; /* that are wanted: what else the table has goes */
        size_t rules;                              /* that were put */
};
void commit_clear(struct commit *commit);
#define _cleanup_commit_ _cleanup_(commit_clear) struct commit

/* Makes one transaction of what put puts, again as long as the kernel's answers are lost (COMMIT_USEC): twice
 * must be the same as once. Others may come before it. Returns 0 or -errno. */
int commit_transact(struct commit *commit, struct netlink *netlink, int (*put)(struct commit *commit));
/* Removes what is not wanted, until nothing of it is left. ret_table is how it then is. Returns 0 or -errno.
 */
int commit_sweep(struct commit *commit, struct netlink *netlink, struct table *ret_table);

/* Each returns 0 or -ENOMEM. */
int commit_want(struct table_names *names, const char *name);
int commit_put_table(struct batch *batch);
int commit_put_table_removal(struct batch *batch);
/* The chain, if it is not there, without its rules. The base chain may be there in another form. */
int commit_put_chain(struct commit *commit, const char *name);
/* Counters that are wanted and not there. */
int commit_put_counters(struct commit *commit);
/* Puts the rule and frees it; NULL is -ENOMEM. */
int commit_put_rule(struct commit *commit, struct rule *rule);

/* Whether the table has as many of everything as was put. */
bool commit_is_there(const struct commit *commit, const struct table *after);
