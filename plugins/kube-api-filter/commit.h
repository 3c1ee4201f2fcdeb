/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A transaction under construction that leaves the table with what is wanted, and nothing else. */

#include "netlink.h"
#include "rule.h"
#include "ruleset.h"
#include "table.h"

#define CHAIN_INPUT "input" /* the base chain */

struct commit {
        struct batch *batch;
        const struct ruleset *ruleset;
        const struct table *before;                /* as it is now */
        struct table_names sets, chains, counters; /* that are wanted: what else the table has goes */
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
/* Puts the rule and frees it; NULL is -ENOMEM. */
int commit_put_rule(struct commit *commit, struct rule *rule);
