/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* In which order containerd asks the hosts of a chain, when some of them are dead: it waits 30 s for a
 * connection, for each request and layer (before 2.1 without a choice). */

#include "plan.h"

struct mirror_order {
        size_t hosts[MIRROR_HOSTS_MAX]; /* indexes into the chain's hosts */
        /* How many come before the registry itself; the rest behind it. Always all without fallback, and
         * where the registry itself is not one but many. */
        size_t before_upstream;
};

/* is_demoted has a value for each of the chain's hosts. */
void demotion_order(const struct mirror_chain *chain, const bool *is_demoted, struct mirror_order *ret);
