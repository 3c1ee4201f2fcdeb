/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* In which sets of the table somebody else may have changed something, which a fingerprint does not show. */

#include <stdbool.h>
#include <stddef.h>

#include "loaded-list.h"

#define TOUCHED_SETS_MAX 32 /* more are as good as all of them */

struct touched_sets {
        bool all;
        size_t count;
        char names[TOUCHED_SETS_MAX][SET_NAME_SIZE];
};

bool touched_sets_any(const struct touched_sets *touched);
/* NULL: whatever its name is, and so all. A longer name than ours can be is of none that is trusted. */
void touched_sets_add(struct touched_sets *touched, const char *name);
void touched_sets_merge(struct touched_sets *touched, const struct touched_sets *more);
