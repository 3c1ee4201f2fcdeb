/* SPDX-License-Identifier: Apache-2.0 */

#include "aggregate.h"

#include <string.h>

#include "text.h"

static bool feeds(const struct check_state *state, const struct condition_type *condition)
{
        return state->enabled && !state->absent && state->check->condition &&
               strcmp(state->check->condition, condition->type) == 0;
}

/* What a check's status counts as: nothing that a check of severity Warning says decides. */
static enum check_status weight(const struct check_state *state)
{
        enum check_status status = state->result.status;

        return status != CHECK_OK && state->check->severity == SEVERITY_WARNING ? CHECK_WARN : status;
}

/* Adds what the checks of one weight say. Returns the first of them, or NULL. */
static const struct check_state *collect(const struct condition_type *condition,
                                         const struct check_state *states, size_t count,
                                         enum check_status status, struct verdict *verdict)
{
        const struct check_state *first = NULL;

        for (size_t i = 0; i < count; i++) {
                if (!feeds(&states[i], condition) || weight(&states[i]) != status)
                        continue;
                text_append(verdict->message, sizeof(verdict->message), "%s%s",
                            verdict->message[0] != '\0' ? "; " : "",
                            status == CHECK_OK ? states[i].check->summary : states[i].result.message);
                if (!first)
                        first = &states[i];
        }
        return first;
}

enum aggregate aggregate(const struct condition_type *condition, const char *good_reason,
                         const struct check_state *states, size_t count, struct verdict *ret)
{
        const struct check_state *failed, *unknown;
        struct verdict verdict = {};
        bool any = false, pending = false;

        for (size_t i = 0; i < count; i++) {
                any |= feeds(&states[i], condition);
                pending |= feeds(&states[i], condition) && !states[i].known;
        }
        if (!any)
                return AGGREGATE_NONE;

        failed = collect(condition, states, count, CHECK_FAIL, &verdict);
        if (!failed && pending)
                return AGGREGATE_PENDING;
        unknown = collect(condition, states, count, CHECK_UNKNOWN, &verdict);
        (void)collect(condition, states, count, CHECK_WARN, &verdict);
        if (!failed && !unknown)
                (void)collect(condition, states, count, CHECK_OK, &verdict);

        if (failed)
                verdict.status = condition->good_when_false ? CONDITION_TRUE : CONDITION_FALSE;
        else if (unknown)
                verdict.status = CONDITION_UNKNOWN;
        else
                verdict.status = condition->good_when_false ? CONDITION_FALSE : CONDITION_TRUE;
        (void)snprintf(verdict.reason, sizeof(verdict.reason), "%s",
                       failed    ? failed->result.reason
                       : unknown ? unknown->result.reason
                                 : good_reason);
        *ret = verdict;
        return AGGREGATE_VERDICT;
}
