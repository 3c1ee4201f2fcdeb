/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A list on its way into the kernel: its sets are loaded in slices before any rule refers to them, and what
 * is small enough comes with its rules. */

#include "list.h"
#include "netlink.h"
#include "shards.h"

/* So many ranges of a long list go into one transaction, for which everybody else's wait: about 1.5 ms. */
#define SLICE_MAX 512
/* A list of no more than these comes whole with the chains that lead to its sets. */
#define REST_MAX 1024

struct loaded_list {
        struct filter_list *list;
        uint32_t generation;
        struct shards shards[CLASSES][IP_FAMILIES];
};

#define SET_NAME_SIZE 64
/* "allow_v4_7_1": the first set that came with generation 7. */
char *set_name(enum source_class class, enum ip_family family, const struct shard *shard,
               char buffer[static SET_NAME_SIZE]);

/* Loads what `before` (may be NULL) has not loaded already: shards of which nothing changed are used again.
 * generation must be new. When that is no more than *room ranges, it is left to loaded_list_put_rest, and the
 * room becomes less by them. Returns 0 or -errno. */
int loaded_list_make(struct netlink *netlink, struct filter_list *list, const struct loaded_list *before,
                     uint32_t generation, size_t *room, struct loaded_list **ret);
/* Puts what was left into the transaction with the list's rules. Returns 0 or -ENOMEM. */
int loaded_list_put_rest(const struct loaded_list *loaded, struct batch *batch);
/* The set with this name, if it is one of the list's, is loaded anew by whatever comes next. */
void loaded_list_forget(struct loaded_list *loaded, const char *name);
struct loaded_list *loaded_list_free(struct loaded_list *loaded);
DEFINE_CLEANUP(struct loaded_list *, loaded_list_free)
