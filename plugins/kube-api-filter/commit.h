/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A transaction under construction that leaves the table with what is wanted, and nothing else. */

#include <stdbool.h>

#include "netlink.h"
#include "quantity.h"
#include "rule.h"
#include "ruleset.h"
#include "set.h"
#include "table.h"

#define CHAIN_INPUT "input" /* the base chain */

/* Another writer who never rests lets us in by chance alone, a try in fifty: so long it is tried again. */
#define COMMIT_USEC (5 * USEC_PER_SEC)

struct commit {
        struct batch *batch;
        const struct ruleset *ruleset;
        const struct table *before;                /* as it is now */
        struct table_names sets, chains, counters; /* that are wanted: what else the table has goes */
        size_t rules;                              /* that were put */
};
void commit_clear(struct commit *commit);
#define _cleanup_commit_ _cleanup_(commit_clear) struct commit

/* Each returns 0 or -ENOMEM. */
int commit_want(struct table_names *names, const char *name);
int commit_put_table(struct batch *batch);
int commit_put_table_removal(struct batch *batch);
/* All rules, and what is not wanted. */
int commit_put_removals(struct commit *commit);
/* Counters and chains that are wanted and not there. */
int commit_put_parts(struct commit *commit);
/* A set that is wanted and, its name being new, not there. */
int commit_put_set(struct commit *commit, const char *name, enum set_key key, uint32_t flags);
/* Puts the rule and frees it; NULL is -ENOMEM. */
int commit_put_rule(struct commit *commit, struct rule *rule);

/* Whether the table has as many of everything as was put, after a transaction of another in the meantime. */
bool commit_is_there(const struct commit *commit, const struct table *after);
