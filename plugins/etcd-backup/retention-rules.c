/* SPDX-License-Identifier: Apache-2.0 */

#include "retention-rules.h"

#include <stddef.h>
#include <string.h>

#include "quantity.h"

#define TIERS_MAX 16
#define CENTURY   (36525 * USEC_PER_DAY)

static const struct config_key tier_keys[] = {
        { .name = "every",
          .help = "One copy stays of each such step of time (UTC): its newest.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct retention_tier, every_usec),
          .required = true,
          .minimum = USEC_PER_MIN,
          .maximum = CENTURY },
        { .name = "for",
          .help = "Up to which age; without it, for ever.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct retention_tier, for_usec),
          .minimum = USEC_PER_MIN,
          .maximum = CENTURY },
        {},
};

static int check_tier(const void *object, const char *pointer, struct failure *failure)
{
        const struct retention_tier *tier = object;

        if (tier->for_usec == 0 || tier->for_usec >= tier->every_usec)
                return 0;
        return failure_set(failure, -EINVAL, "InvalidConfiguration",
                           "%s/for: shorter than one step of \"every\"; allowed is that or longer", pointer);
}

static const struct config_type tier_type = {
        .name = "tier",
        .help = "How densely copies of some age stand.",
        .size = sizeof(struct retention_tier),
        .keys = tier_keys,
        .check = check_tier,
};

static int check_min_free(const char *value, const char **ret_allowed)
{
        double fraction;
        uint64_t bytes;

        if ((percent_parse(value, &fraction) >= 0 && fraction < 1) || size_parse(value, &bytes) >= 0)
                return 0;
        *ret_allowed = "a size as \"10G\", or a part of the file system below \"100%\", as \"10%\"";
        return -EINVAL;
}

static const struct config_key retention_keys[] = {
        { .name = "keepLast",
          .help = "How many of the newest verified copies stay. 12 when it is absent and no tiers, maxAge or "
                  "maxBytes are given.",
          .kind = CONFIG_INTEGER,
          .offset = offsetof(struct target_retention, keep_last),
          .minimum = 1,
          .maximum = 10000 },
        { .name = "keepVerified",
          .help = "So many of the newest verified copies stay whatever the other rules say.",
          .kind = CONFIG_INTEGER,
          .offset = offsetof(struct target_retention, keep_verified),
          .fallback = "1",
          .minimum = 1,
          .maximum = 1000 },
        { .name = "tiers",
          .help = "Copies that stay besides the newest ones, the older the fewer.",
          .kind = CONFIG_OBJECTS,
          .offset = offsetof(struct target_retention, tiers),
          .minimum = 1,
          .maximum = TIERS_MAX,
          .type = &tier_type },
        { .name = "maxAge",
          .help = "Older copies go, whatever keepLast and tiers say.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct target_retention, max_age_usec),
          .minimum = USEC_PER_MIN,
          .maximum = CENTURY },
        { .name = "maxBytes",
          .help = "The oldest copies go until a node's copies together are not larger.",
          .kind = CONFIG_SIZE,
          .offset = offsetof(struct target_retention, max_bytes),
          .minimum = 1 },
        { .name = "minFree",
          .help = "The oldest copies go until so much of a directory's file system is free: a size, or a "
                  "part as \"10%\". Of S3 there is nothing of the kind; maxBytes bounds what is kept there.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct target_retention, min_free),
          .check = check_min_free },
        {},
};

const struct retention_tier *retention_tier(const struct target_retention *rules, size_t i)
{
        return (const struct retention_tier *)rules->tiers.items + i;
}

static int check_tiers(const void *object, const char *pointer, struct failure *failure)
{
        const struct target_retention *rules = object;

        for (size_t i = 1; i < rules->tiers.count; i++)
                if (retention_tier(rules, i)->every_usec <= retention_tier(rules, i - 1)->every_usec)
                        return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                           "%s/tiers/%zu/every: not longer than that of /tiers/%zu; tiers go "
                                           "from the densest to the sparsest",
                                           pointer, i, i - 1);
        return 0;
}

const struct config_type retention_type = {
        .name = "retention",
        .help = "Which copies stay.",
        .size = sizeof(struct target_retention),
        .keys = retention_keys,
        .check = check_tiers,
};

uint64_t retention_keep_last(const struct target_retention *rules)
{
        if (rules->keep_last > 0)
                return (uint64_t)rules->keep_last;
        if (rules->tiers.count > 0)
                return 0;
        return rules->max_age_usec > 0 || rules->max_bytes > 0 ? UINT64_MAX : RETENTION_KEEP_LAST;
}

uint64_t retention_min_free(const struct target_retention *rules, uint64_t capacity)
{
        double fraction;
        uint64_t bytes;

        if (!rules->min_free)
                return 0;
        if (percent_parse(rules->min_free, &fraction) >= 0)
                return (uint64_t)((double)capacity * fraction);
        return size_parse(rules->min_free, &bytes) >= 0 ? bytes : 0;
}
