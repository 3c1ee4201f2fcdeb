/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The kernel is made as the state says. */

#include "filter.h"

/* A list by its digest, from wherever it is at hand: what is known, what is wanted, or its file. */
int enforce_load_list(struct filter *filter, const char *digest, const struct loaded_list *known,
                      struct filter_list **ret);

/* How much of a time on CLOCK_BOOTTIME is left. */
uint64_t usec_left(uint64_t until_usec);

/* Loads what the kernel has not yet, or what somebody else may have changed there, and switches to it. Where
 * nothing judges at all, a cover of a long list comes first. */
int enforce(struct filter *filter, const struct touched_sets *touched, struct failure *failure);
