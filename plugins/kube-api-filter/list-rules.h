/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A list's chains, in which sources are held against it. They are complete before anything leads there. */

#include "commit.h"
#include "loaded-list.h"

#define SOURCES_MSEC (60 * 60 * UINT64_C(1000)) /* how long a source counts as recent */

/* Where a list begins. */
char *list_chain(const struct loaded_list *list, enum ip_family family, char buffer[static SET_NAME_SIZE]);

/* Wants the list's sets and chains; puts its chains, their rules, and the sets that were not loaded
 * beforehand. Each returns 0 or -ENOMEM. */
int list_rules_want(struct commit *commit, const struct loaded_list *list);
int list_rules_put(struct commit *commit, const struct loaded_list *list);

/* A rule that counts and accepts whatever matches (NULL: everything). Returns 0 or -ENOMEM. */
int rules_put_accept(struct commit *commit, const char *chain, void (*match)(struct rule *rule),
                     const char *counter, enum ip_family family);
