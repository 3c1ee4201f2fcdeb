/* SPDX-License-Identifier: Apache-2.0 */

#include "transitions.h"

#include <errno.h>
#include <string.h>

void transitions_clear(struct transitions *transitions)
{
        json_object_put(transitions->conditions);
        json_object_put(transitions->checks);
        *transitions = (struct transitions){};
}

int transitions_learn(struct transitions *transitions, const struct node_object *node)
{
        int r = 0;

        if (transitions->conditions)
                return 0;
        transitions->conditions = json_object_new_object();
        transitions->checks = json_object_new_object();
        if (!transitions->conditions || !transitions->checks) {
                transitions_clear(transitions);
                return -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < node->count; i++)
                r = json_set_string(transitions->conditions, node->conditions[i].type,
                                    node->conditions[i].status);
        return r;
}

/* One call of transitions_note. */
struct noting {
        struct transitions *transitions;
        const struct node_object *node;
        const char *name;
        json_object *conditions;
        bool quiet;
        struct event_queue *events;
        uint64_t boottime_usec, realtime_usec;
};

static int tell(const struct noting *noting, json_object *subject)
{
        return event_queue_add(noting->events, noting->name, subject, noting->boottime_usec,
                               noting->realtime_usec);
}

static int note_condition(const struct noting *noting, json_object *condition)
{
        const char *type = json_string(condition, "type"), *status = json_string(condition, "status"),
                   *before = json_string(noting->transitions->conditions, type);
        int r = 0;

        if (before && strcmp(before, status) == 0)
                return 0;
        if (before && !node_object_left_to(noting->node, type))
                r = tell(noting, condition);
        return r < 0 ? r : json_set_string(noting->transitions->conditions, type, status);
}

/* Whether a condition that is not good has this reason. */
static bool condition_tells(json_object *conditions, const char *reason)
{
        for (size_t i = 0; conditions && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i),
                            *healthy = json_member(condition, "healthy", json_type_boolean);
                const char *other = json_string(condition, "reason");

                if (other && strcmp(other, reason) == 0 && !(healthy && json_object_get_boolean(healthy)))
                        return true;
        }
        return false;
}

/* The check as if it were a condition of its name. */
static int tell_check(const struct noting *noting, json_object *check, bool good)
{
        _cleanup_json_ json_object *subject = json_object_new_object();
        int r = 0;

        if (!subject)
                return -ENOMEM;
        r |= json_set_string(subject, "type", json_string(check, "name"));
        r |= json_set_string(subject, "status", json_string(check, "status"));
        r |= json_set_string(subject, "reason", json_string(check, "reason"));
        r |= json_set_string(subject, "message", json_string(check, "message"));
        r |= json_set_bool(subject, "healthy", good);
        return r == 0 ? tell(noting, subject) : -ENOMEM;
}

static int remember_check(struct transitions *transitions, const char *name, const char *status,
                          const char *reason, bool told)
{
        json_object *seen = json_object_new_object();
        int r;

        r = json_set(transitions->checks, name, seen);
        if (r >= 0)
                r = json_set_string(seen, "status", status);
        if (r >= 0)
                r = json_set_string(seen, "reason", reason);
        return r < 0 ? r : json_set_bool(seen, "told", told);
}

static int note_check(const struct noting *noting, json_object *check)
{
        const char *name = json_string(check, "name"), *status = json_string(check, "status"),
                   *reason = json_string(check, "reason");
        json_object *seen = name ? json_member(noting->transitions->checks, name, json_type_object) : NULL;
        bool told = seen && json_object_get_boolean(json_member(seen, "told", json_type_boolean));
        bool good, tells;
        int r = 0;

        if (!name || !status || !reason)
                return 0; /* of a plugin that is not ours */
        good = strcmp(status, "OK") == 0;
        /* That nobody knows for a moment is no news; what was known before stays so. */
        if (seen && strcmp(status, "Unknown") == 0)
                return 0;
        if (seen && strcmp(json_string(seen, "status"), status) == 0 &&
            (good || strcmp(json_string(seen, "reason"), reason) == 0))
                return 0;
        tells = seen && !noting->quiet && (good ? told : !condition_tells(noting->conditions, reason));
        if (tells)
                r = tell_check(noting, check, good);
        return r < 0 ? r
                     : remember_check(noting->transitions, name, status, reason, !good && (tells || told));
}

int transitions_note(struct transitions *transitions, const struct node_object *node, const char *name,
                     json_object *document, bool quiet, struct event_queue *events, uint64_t boottime_usec,
                     uint64_t realtime_usec)
{
        json_object *conditions = json_member(document, "conditions", json_type_array),
                    *checks = json_member(document, "checks", json_type_array);
        const struct noting noting = { transitions, node,   name,          conditions,
                                       quiet,       events, boottime_usec, realtime_usec };
        int r = 0;

        if (!transitions->conditions)
                return 0; /* nothing was learned yet */
        for (size_t i = 0; r >= 0 && conditions && i < json_object_array_length(conditions); i++)
                r = note_condition(&noting, json_object_array_get_idx(conditions, i));
        for (size_t i = 0; r >= 0 && checks && i < json_object_array_length(checks); i++)
                r = note_check(&noting, json_object_array_get_idx(checks, i));
        return r;
}
