/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* In which order containerd asks the hosts of a chain, when some of them are dead: it waits 30 s for a
 * connection, for each request and layer (before 2.1 without a choice). */

#include "plan.h"

/* The dead behind the living, and behind the registry itself: unless it must not be asked (no fallback), or
 * is not one but many (the default). is_demoted has a value for each of the chain's hosts. */
void demotion_order(const struct mirror_chain *chain, const bool *is_demoted, struct mirror_order *ret);
