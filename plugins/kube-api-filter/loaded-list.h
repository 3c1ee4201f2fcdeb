/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bringing a list's networks into the kernel, as sets that no rule refers to yet. */

#include "netlink.h"
#include "ruleset.h"

/* Loads what `before` (may be NULL) has not loaded already: shards of which nothing changed are used again.
 * generation must be new. Returns 0 or -errno. */
int loaded_list_make(struct netlink *netlink, struct filter_list *list, const struct loaded_list *before,
                     uint32_t generation, struct loaded_list **ret);
struct loaded_list *loaded_list_free(struct loaded_list *loaded);
DEFINE_CLEANUP(struct loaded_list *, loaded_list_free)
