/* SPDX-License-Identifier: Apache-2.0 */

#include "probe-verdict.h"

#include <stdarg.h>
#include <string.h>

#define NAMED_MAX 3 /* endpoints that the message describes */

struct counts {
        size_t good, bad, unknown;
};

static struct counts count(const struct mirror_plan *plan, const struct standing *const *standings)
{
        struct counts counts = {};

        for (size_t i = 0; i < plan->n_hosts; i++)
                if (standings[i]->state == PROBE_UNKNOWN)
                        counts.unknown++;
                else if (probe_is_good(standings[i]->state))
                        counts.good++;
                else
                        counts.bad++;
        return counts;
}

static void append(struct probe_verdict *verdict, const char *format, ...) _printf_(2, 3);
static void append(struct probe_verdict *verdict, const char *format, ...)
{
        size_t length = strlen(verdict->message);
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(verdict->message + length, sizeof(verdict->message) - length, format, arguments);
        va_end(arguments);
}

static const char *name_of(const struct mirror_chain *chain)
{
        return chain->host ?: "any other registry";
}

/* A registry that has nobody to ask any more; NULL: every one has. */
static const struct mirror_chain *find_cut_off(const struct mirror_plan *plan,
                                               const struct standing *const *standings)
{
        for (size_t i = 0; i < plan->n_chains; i++) {
                const struct mirror_chain *chain = &plan->chains[i];
                bool cut_off = !chain->fallback;

                for (size_t j = 0; j < chain->n_hosts && cut_off; j++) {
                        enum probe_state state = standings[chain->hosts[j] - plan->hosts]->state;

                        cut_off = state != PROBE_UNKNOWN && !probe_is_good(state);
                }
                if (cut_off)
                        return chain;
        }
        return NULL;
}

static void describe(const struct mirror_host *host, const struct standing *standing,
                     struct probe_verdict *verdict)
{
        append(verdict, "; %s: %s", host->endpoint->url, standing->detail);
        if (standing->demoted)
                append(verdict, " (asked behind the others)");
        append(verdict, ", %s", probe_remedy(standing->state));
}

static void judge_bad(const struct mirror_plan *plan, const struct standing *const *standings, size_t bad,
                      struct probe_verdict *ret)
{
        const struct mirror_chain *cut_off = find_cut_off(plan, standings);
        size_t named = 0;

        ret->status = CONDITION_FALSE;
        ret->reason = cut_off ? "NoEndpointAnswers" : NULL;
        if (cut_off)
                append(ret, "no image of %s can be pulled: it has no fallback; ", name_of(cut_off));
        append(ret, "%zu of %zu endpoints cannot be used", bad, plan->n_hosts);
        for (size_t i = 0; i < plan->n_hosts && named < NAMED_MAX; i++) {
                if (standings[i]->state == PROBE_UNKNOWN || probe_is_good(standings[i]->state))
                        continue;
                if (!ret->reason)
                        ret->reason = probe_reason(standings[i]->state);
                describe(&plan->hosts[i], standings[i], ret);
                named++;
        }
        if (bad > named)
                append(ret, "; and %zu more", bad - named);
}

static void judge_good(const struct mirror_plan *plan, const struct standing *const *standings,
                       struct probe_verdict *ret)
{
        const char *separator = "; without fallback: ";

        ret->status = CONDITION_TRUE;
        ret->reason = "AllEndpointsAnswer";
        append(ret, "%zu of %zu endpoints answer", plan->n_hosts, plan->n_hosts);
        for (size_t i = 0; i < plan->n_chains; i++) {
                if (plan->chains[i].fallback || plan->chains[i].of)
                        continue;
                append(ret, "%s%s", separator, name_of(&plan->chains[i]));
                separator = ", ";
        }
        for (size_t i = 0; i < plan->n_hosts; i++)
                if (standings[i]->state == PROBE_THROTTLES)
                        append(ret, "; %s %s: %s", plan->hosts[i].endpoint->url, standings[i]->detail,
                               probe_remedy(PROBE_THROTTLES));
}

void probe_verdict(const struct mirror_plan *plan, const struct standing *const *standings,
                   struct probe_verdict *ret)
{
        struct counts counts = count(plan, standings);

        *ret = (struct probe_verdict){};
        if (counts.bad > 0) {
                judge_bad(plan, standings, counts.bad, ret);
        } else if (counts.unknown > 0) {
                ret->status = CONDITION_UNKNOWN;
                ret->reason = "NotCheckedYet";
                append(ret, "%zu of %zu endpoints were asked until now", counts.good, plan->n_hosts);
        } else {
                judge_good(plan, standings, ret);
        }
}
