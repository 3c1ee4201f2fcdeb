/* SPDX-License-Identifier: Apache-2.0 */

#include "standing.h"

#include <string.h>

static void count(struct standing *standing, enum probe_state state)
{
        standing->bad = probe_is_good(state) ? 0 : standing->bad + 1;
        standing->dead = probe_is_dead(state) ? standing->dead + 1 : 0;
        standing->alive = probe_is_dead(state) ? 0 : standing->alive + 1;
}

/* One lost packet is no news; what was not good yet, and what is bad in another way, is believed at once. */
static bool is_confirmed(const struct standing *standing)
{
        return standing->bad == 0 || standing->bad >= STANDING_BAD_AFTER ||
               (!probe_is_good(standing->state) && !standing->was_good);
}

static void demote(struct standing *standing, uint64_t intervals)
{
        if (standing->changed_usec == 0 || intervals >= STANDING_QUIET)
                standing->hold = STANDING_HOLD;
        else if (standing->hold < STANDING_HOLD_MAX)
                standing->hold *= 2;
        standing->demoted = true;
}

static bool judge_demotion(struct standing *standing, const struct standing_rules *rules, uint64_t now_usec)
{
        uint64_t intervals = (now_usec - standing->changed_usec) / rules->interval_usec;

        if (!standing->demoted && rules->demote && standing->dead >= STANDING_DEMOTE_AFTER)
                demote(standing, intervals);
        else if (standing->demoted && standing->alive >= STANDING_RESTORE_AFTER &&
                 intervals >= standing->hold)
                standing->demoted = false;
        else
                return false;
        standing->changed_usec = now_usec;
        return true;
}

bool standing_is_settled(const struct standing *standing, const struct standing_rules *rules)
{
        return !rules->demote && !standing->demoted && standing->bad == 0 && probe_is_good(standing->state) &&
               (standing->was_good || standing->alive >= STANDING_SETTLED_AFTER);
}

uint64_t standing_interval(const struct standing *standing, const struct standing_rules *rules)
{
        return standing_is_settled(standing, rules) && rules->settled_usec > rules->interval_usec
                       ? rules->settled_usec
                       : rules->interval_usec;
}

bool standing_note(struct standing *standing, const struct probe_result *result,
                   const struct standing_rules *rules, uint64_t now_usec)
{
        enum probe_state before = standing->state;

        standing->last = *result;
        count(standing, result->state);
        if (result->state != before && is_confirmed(standing)) {
                standing->state = result->state;
                memcpy(standing->detail, result->detail, sizeof(standing->detail));
                standing->was_good &= probe_is_good(result->state);
        }
        return judge_demotion(standing, rules, now_usec) || standing->state != before;
}
