/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who etcd's members were at a revision. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

#define MEMBERS_MAX 64 /* etcd advises 7 at most */

struct member {
        uint64_t id;
        char *name; /* the node's, for a member that kubeadm made; empty before it started */
        bool is_learner;
};

struct member_list {
        uint64_t cluster_id, self_id;
        int64_t revision; /* what has a later one may come from a member that joined since */
        struct member items[MEMBERS_MAX];
        size_t count; /* 0: not known */
};
#define _cleanup_member_list_ _cleanup_(member_list_clear) struct member_list
void member_list_clear(struct member_list *list);

/* Adds a member; the name of `size` bytes is copied. -E2BIG when there is no room, -ENOMEM. */
int member_list_add(struct member_list *list, uint64_t id, const char *name, size_t size, bool is_learner);

/* Replaces what *ret holds by a copy. */
int member_list_copy(const struct member_list *list, struct member_list *ret);

/* Whether a copy by this node and member is that of a member that has left: neither is in the list. */
bool member_list_has_left(const struct member_list *list, uint64_t id, const char *name);

/* Whether self is the voting member with the lowest id. False when self is not in the list. */
bool member_list_self_is_lowest(const struct member_list *list);

/* As "members" of an object: { "clusterId", "memberId", "revision", "list": [ { "id", "name", "learner" } ]
 * }. Read returns -EINVAL for another form, -ENOENT when there is none. */
int member_list_write(const struct member_list *list, json_object *object);
int member_list_read(json_object *object, struct member_list *ret);
