/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One condition of several checks. */

#include "condition.h"
#include "schedule.h"

struct verdict {
        enum condition_status status;
        char reason[CONDITION_REASON_MAX + 1];
        char message[CONDITION_MESSAGE_MAX + 1];
};

enum aggregate {
        AGGREGATE_NONE,    /* no check that feeds the condition is on */
        AGGREGATE_PENDING, /* none fails, and some have no status yet: nothing can be said */
        AGGREGATE_VERDICT,
};

/* Bad if a check of severity Fatal fails, else Unknown if one has no answer, else good; a warning, and
 * whatever a check of severity Warning says, is still good, and said. Good is True, or False for a condition
 * that is good_when_false. The first in the table's order gives the reason, the message names all. Only
 * AGGREGATE_VERDICT sets ret. */
enum aggregate aggregate(const struct condition_type *condition, const char *good_reason,
                         const struct check_state *states, size_t count, struct verdict *ret);
