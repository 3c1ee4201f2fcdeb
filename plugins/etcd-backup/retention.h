/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which copies go: a pure decision over what is known; prune.c carries it out.
 *
 * Whatever the rules say,
 *  - a copy of another cluster id, one that is not authentic where a key is set, one of another node that is
 *    still a member, and one that may be of a member that joined since the member list was taken, is never
 *    touched;
 *  - the newest keepVerified verified copies stay, of this node's and of the whole cluster's, and so do as
 *    many of those whose database was walked through;
 *  - a copy only goes when a newer verified one stands at the same target, from a node that is a member;
 *  - nothing goes while the clock cannot be believed (retention-clock.h).
 *
 * Copies of a node are ordered by their sequence number; those of several nodes by etcd's revision, and by
 * time where that is equal. A clock orders nothing.
 *
 * Cluster API gives every rollout new names, so nobody would prune what nodes that have left took: the voting
 * member with the lowest id does, under the same rules over all copies of the cluster together, where each
 * voter's share of keepLast and maxBytes counts. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "member-list.h"
#include "moment.h"
#include "retention-rules.h"

struct retention_copy {
        const char *node; /* all texts are borrowed */
        uint64_t cluster_id, member_id, sequence;
        int64_t revision;
        struct moment taken;
        uint64_t size;
        bool whole;     /* the archive is there, as large as its manifest says */
        bool walked;    /* its database was read from end to end */
        bool authentic; /* or there is no key to tell by */
};

struct retention_input {
        const struct target_retention *rules;
        const struct retention_copy *copies; /* in any order */
        size_t count;
        const char *node;
        uint64_t cluster_id;
        const struct member_list *members; /* NULL: not known; then only this node's copies are looked at */
        struct present present;
        uint64_t capacity, free; /* of a directory's file system; capacity 0: a place without an end */
};

enum retention_verdict { RETENTION_KEEP, RETENTION_DELETE, RETENTION_FOREIGN };
const char *retention_verdict_name(enum retention_verdict verdict);

#define RETENTION_WHY_MAX 192

struct retention_decision {
        enum retention_verdict verdict;
        char why[RETENTION_WHY_MAX]; /* for a person */
};

/* Decides about every copy: ret has room for input->count decisions, in the order of the copies. Returns 0 or
 * -ENOMEM. */
int retention_decide(const struct retention_input *input, struct retention_decision *ret);
