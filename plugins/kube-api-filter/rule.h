/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One nftables rule, put together from the matches and statements that this filter needs. Each function
 * appends to the rule; what cannot be appended for want of memory makes rule_put fail. */

#include <stdint.h>

#include "cidr.h"
#include "netlink.h"

#define TABLE_NAME "capi_node_agent"

struct rule;
/* In the table's chain; comment (may be NULL) is what `nft list` shows behind the rule. NULL: no memory. */
struct rule *rule_new(const char *chain, const char *comment);
struct rule *rule_free(struct rule *rule);
DEFINE_CLEANUP(struct rule *, rule_free)

void rule_match_family(struct rule *rule, enum ip_family family);
void rule_match_tcp(struct rule *rule);
void rule_match_syn(struct rule *rule); /* SYN without ACK: someone begins a connection */
void rule_match_loopback(struct rule *rule);
void rule_match_own_source(struct rule *rule); /* the source is one of the node's addresses */
void rule_match_link_local(struct rule *rule); /* fe80::/10 */
void rule_match_port(struct rule *rule, const char *set);
void rule_match_source(struct rule *rule, enum ip_family family, const char *set);

void rule_count(struct rule *rule, const char *counter);
/* Remembers the source for so long in a dynamic set. When that is full, the rule ends there. */
void rule_remember_source(struct rule *rule, enum ip_family family, const char *set, uint64_t timeout_msec);
void rule_accept(struct rule *rule);
void rule_drop(struct rule *rule);
void rule_jump(struct rule *rule, const char *chain);
/* Where the map of sources says; goes on behind the rule when it has no such source. */
void rule_jump_by_source(struct rule *rule, enum ip_family family, const char *map);
void rule_goto(struct rule *rule, const char *chain);

/* Appends the rule to the end of its chain, as a message of the batch. Returns 0 or -ENOMEM. */
int rule_put(struct rule *rule, struct batch *batch);
