/* SPDX-License-Identifier: Apache-2.0 */

#include "report-news.h"

#include <string.h>

#include "mark.h"

uint64_t report_mark(const char *text, size_t size)
{
        static const char key[] = "\"generatedAt\":\"";
        const char *time = memmem(text, size, key, strlen(key)), *end;
        uint64_t mark = MARK_START;

        if (time) {
                time += strlen(key);
                end = memchr(time, '"', size - (size_t)(time - text));
                mark = mark_add(mark, text, (size_t)(time - text));
                size -= (size_t)((end ?: time) - text);
                text = end ?: time;
        }
        mark = mark_add(mark, text, size);
        return mark ?: 1;
}

static bool same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_conditions(const struct report *a, const struct report *b)
{
        if (a->n_conditions != b->n_conditions)
                return false;
        for (size_t i = 0; i < a->n_conditions; i++) {
                const struct condition *x = &a->conditions[i], *y = &b->conditions[i];

                if (strcmp(x->type, y->type) != 0 || x->status != y->status ||
                    strcmp(x->reason, y->reason) != 0 || x->severity != y->severity ||
                    x->good_when_false != y->good_when_false)
                        return false;
        }
        return true;
}

static bool same_requests(const struct report *a, const struct report *b)
{
        if (a->n_timers != b->n_timers || a->n_restarts != b->n_restarts ||
            !same_text(a->daemon_reload, b->daemon_reload))
                return false;
        for (size_t i = 0; i < a->n_timers; i++) {
                const struct timer_request *x = &a->timers[i], *y = &b->timers[i];

                if (strcmp(x->unit, y->unit) != 0 || strcmp(x->calendar, y->calendar) != 0 ||
                    x->randomized_delay_usec != y->randomized_delay_usec)
                        return false;
        }
        for (size_t i = 0; i < a->n_restarts; i++) {
                const struct restart_request *x = &a->restarts[i], *y = &b->restarts[i];

                if (strcmp(x->unit, y->unit) != 0 || strcmp(x->because, y->because) != 0 ||
                    x->since_usec != y->since_usec)
                        return false;
        }
        return true;
}

static bool same_checks(json_object *a, json_object *b)
{
        static const char *const keys[] = { "name", "status", "reason" };
        size_t count = a ? json_object_array_length(a) : 0;

        if (count != (b ? json_object_array_length(b) : 0))
                return false;
        for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < ELEMENTS(keys); k++)
                        if (!same_text(json_string(json_object_array_get_idx(a, i), keys[k]),
                                       json_string(json_object_array_get_idx(b, i), keys[k])))
                                return false;
        return true;
}

bool report_is_news(const struct report *before, const struct report *now)
{
        return !same_text(before->version, now->version) || !same_text(before->boot_id, now->boot_id) ||
               before->valid_for_usec != now->valid_for_usec || !same_text(before->desired, now->desired) ||
               !same_text(before->applied, now->applied) || before->applied_usec != now->applied_usec ||
               !same_text(before->last_error, now->last_error) || !same_conditions(before, now) ||
               !same_requests(before, now) || !same_checks(before->checks, now->checks) ||
               !json_object_equal(before->versions, now->versions);
}
