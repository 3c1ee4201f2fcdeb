/* SPDX-License-Identifier: Apache-2.0 */

#include "retention-clock.h"

#include <stdio.h>
#include <string.h>

#include "quantity.h"
#include "timestamp.h"

static bool is_own(const struct retention_input *input, const struct retention_copy *copy)
{
        return copy->authentic && copy->cluster_id == input->cluster_id &&
               strcmp(copy->node, input->node) == 0;
}

static bool is_of_this_boot(const struct retention_input *input, const struct retention_copy *copy)
{
        const struct moment *now = &input->present.now;

        return now->boot_id[0] && strcmp(copy->taken.boot_id, now->boot_id) == 0 &&
               copy->taken.boottime_usec <= now->boottime_usec;
}

uint64_t retention_clock_taken(const struct retention_input *input, const struct retention_copy *copy)
{
        const struct moment *now = &input->present.now;
        uint64_t ago;

        if (!is_own(input, copy) || !is_of_this_boot(input, copy))
                return copy->taken.realtime_usec;
        ago = now->boottime_usec - copy->taken.boottime_usec;
        return now->realtime_usec > ago ? now->realtime_usec - ago : 0;
}

static uint64_t ago(const struct retention_input *input, const struct retention_copy *copy)
{
        return input->present.now.boottime_usec - copy->taken.boottime_usec;
}

/* How far the clock was set since a copy of this boot was taken. */
static uint64_t set_by(const struct retention_input *input, const struct retention_copy *copy)
{
        uint64_t expected = retention_clock_taken(input, copy), said = copy->taken.realtime_usec;

        return expected > said ? expected - said : said - expected;
}

/* The newest copy of this boot that was taken under another clock; NULL: none, or the clock of now has lasted
 * since. */
static const struct retention_copy *find_jump(const struct retention_input *input)
{
        const struct retention_copy *jump = NULL;

        for (size_t i = 0; i < input->count; i++) {
                const struct retention_copy *copy = &input->copies[i];

                if (is_own(input, copy) && is_of_this_boot(input, copy) &&
                    set_by(input, copy) > CLOCK_TOLERANCE_USEC &&
                    (!jump || ago(input, copy) < ago(input, jump)))
                        jump = copy;
        }
        for (size_t i = 0; jump && i < input->count; i++) {
                const struct retention_copy *copy = &input->copies[i];

                if (is_own(input, copy) && is_of_this_boot(input, copy) &&
                    ago(input, copy) < ago(input, jump) && ago(input, copy) >= CLOCK_SETTLE_USEC)
                        return NULL;
        }
        return jump;
}

/* This node's copies of earlier boots: the one that says the latest time, and the newest by its number. */
static void find_earlier(const struct retention_input *input, const struct retention_copy **ret_latest,
                         const struct retention_copy **ret_newest)
{
        for (size_t i = 0; i < input->count; i++) {
                const struct retention_copy *copy = &input->copies[i];

                if (!is_own(input, copy) || is_of_this_boot(input, copy))
                        continue;
                if (!*ret_latest || copy->taken.realtime_usec > (*ret_latest)->taken.realtime_usec)
                        *ret_latest = copy;
                if (!*ret_newest || copy->sequence > (*ret_newest)->sequence)
                        *ret_newest = copy;
        }
}

static uint64_t minus(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

static bool sound_over_boots(const struct retention_input *input, char *why)
{
        const struct retention_copy *latest = NULL, *newest = NULL;
        const struct present *present = &input->present;
        uint64_t now = present->now.realtime_usec,
                 up = minus(present->now.boottime_usec, present->boot_seen_usec);
        char off[QUANTITY_SIZE], time[TIMESTAMP_SIZE];

        find_earlier(input, &latest, &newest);
        if (!latest || up >= CLOCK_SETTLE_USEC)
                return true;
        if (latest->taken.realtime_usec > now + CLOCK_TOLERANCE_USEC) {
                (void)snprintf(
                        why, RETENTION_WHY_MAX,
                        "nothing is pruned in the first day of this boot: the clock is before %s, when "
                        "this node took the copy of sequence %llu",
                        timestamp_format(latest->taken.realtime_usec, time),
                        (unsigned long long)latest->sequence);
                return false;
        }
        if (minus(now, newest->taken.realtime_usec) <= up + CLOCK_OFF_USEC)
                return true;
        (void)snprintf(
                why, RETENTION_WHY_MAX,
                "nothing is pruned in the first day of this boot: by the clock, %s had passed without a "
                "copy when it began",
                duration_format_human(minus(now, newest->taken.realtime_usec) - up, off));
        return false;
}

bool retention_clock_sound(const struct retention_input *input, char ret_why[static RETENTION_WHY_MAX])
{
        const struct retention_copy *jump = find_jump(input);
        char by[QUANTITY_SIZE];

        if (!jump)
                return sound_over_boots(input, ret_why);
        (void)snprintf(
                ret_why, RETENTION_WHY_MAX,
                "nothing is pruned until the clock has lasted a day: it was set by %s since the copy of "
                "sequence %llu was taken",
                duration_format_human(set_by(input, jump), by), (unsigned long long)jump->sequence);
        return false;
}
