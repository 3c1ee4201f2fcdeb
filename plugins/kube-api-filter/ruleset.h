/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The table's rules, made in one transaction from what shall be in force:
 *
 *   input (hook input, priority -10, policy accept): TCP to the ports jumps to judge_v4 or judge_v6
 *   judge_*: loopback and link-local are accepted; while it is disabled, all; the candidate list as long as
 * its element lives; the current list otherwise; all, when there is none list_*_GENERATION: for each class
 * its set, or a map that jumps to the chain of the one of its sets in which the source can be; own addresses;
 * then the drop
 *
 * A list's sets and chains are never changed. A new list has new ones, made by transactions to which nothing
 * leads yet; then one small transaction changes where input and judge_* lead; what is not needed any more
 * goes afterwards. So a packet is judged by the old or by the new list, never by half of one. All three are
 * needed: from Linux 6.19 (7e43e0a1141d, in 6.18.14 too) what a transaction puts into a set of ranges is
 * found only when its rules are in force already, before that an rbtree set in which a transaction is at work
 * may miss valid intervals, and the elements of a map that is removed are gone before the rules that look
 * there (nft_map_deactivate).
 */

#include <stdint.h>

#include "list.h"
#include "loaded-list.h"
#include "netlink.h"
#include "table.h"

#define RULESET_PRIORITY    (-10) /* before filter (ufw, Docker, Calico: 0), behind kube-proxy (-110); free */
#define RULESET_SOURCES     "sources"
#define RULESET_REFUSED     "refused"
#define RULESET_SOURCES_MAX 4096
#define REFUSED_SHOWN       32 /* of them, to a person or in a report, which is no log */

struct ruleset {
        const struct loaded_list *current;   /* NULL: everyone is let in */
        const struct loaded_list *candidate; /* NULL: none */
        uint64_t candidate_usec;             /* how long the kernel prefers it to the current one */
        uint64_t disabled_usec;              /* how long the kernel lets everyone in; 0: not */
        uint32_t generation;                 /* of this transaction; no earlier one may have had it */
        const struct table *known; /* as the table was last read; NULL or outdated: it is read again */
};

/* The name of a counter or a dynamic set: "PREFIX_v4", and for accepted classes "accepted_CLASS_v4". */
char *family_suffix(const char *prefix, enum ip_family family, char buffer[static SET_NAME_SIZE]);

/* Puts the rules in force, removes every set, chain and object of the table that they do not need, and reads
 * the table as it then is. Returns 0 or -errno. */
int ruleset_commit(struct netlink *netlink, const struct ruleset *ruleset, struct table *ret_table);

/* Removes the table, if it is there. */
int ruleset_remove(struct netlink *netlink);
