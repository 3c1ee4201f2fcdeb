/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the configuration says of a target's retention. */

#include "config.h"

#define RETENTION_KEEP_LAST 12 /* when no rule says how many: a day of the default schedule */

struct retention_tier {
        uint64_t every_usec, for_usec; /* for_usec 0: for ever */
};

struct target_retention {
        int64_t keep_last;     /* 0: not said */
        int64_t keep_verified; /* at least 1 */
        uint64_t max_age_usec, max_bytes;
        char *min_free;              /* a size, or a part of the file system; NULL: none */
        struct config_objects tiers; /* struct retention_tier, each with a longer step than the one before */
};

extern const struct config_type retention_type;

/* The i-th tier. */
const struct retention_tier *retention_tier(const struct target_retention *rules, size_t i);

/* How many of the newest copies stay because of their number: keepLast; without a rule that asks for copies
 * RETENTION_KEEP_LAST; 0 where tiers do. UINT64_MAX where only an age or a size ends it. */
uint64_t retention_keep_last(const struct target_retention *rules);

/* The bytes that have to stay free on a file system of `capacity` bytes. */
uint64_t retention_min_free(const struct target_retention *rules, uint64_t capacity);
