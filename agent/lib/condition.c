/* SPDX-License-Identifier: Apache-2.0 */

#include "condition.h"

#include <ctype.h>
#include <string.h>

#include "timestamp.h"

static const char *const status_names[] = {
        [CONDITION_UNKNOWN] = "Unknown",
        [CONDITION_TRUE] = "True",
        [CONDITION_FALSE] = "False",
};

static const char *const severity_names[] = {
        [SEVERITY_WARNING] = "Warning",
        [SEVERITY_FATAL] = "Fatal",
};

const char *condition_status_name(enum condition_status status)
{
        return status_names[status];
}

const char *severity_name(enum severity severity)
{
        return severity_names[severity];
}

void condition_clear(struct condition *condition)
{
        free(condition->type);
        free(condition->reason);
        free(condition->message);
        *condition = (struct condition){};
}

static bool same(const char *a, const char *b)
{
        return a && b && strcmp(a, b) == 0;
}

/* At most max bytes, cut at the start of a UTF-8 sequence so that the JSON stays valid. */
static char *cut(const char *text, size_t max)
{
        size_t length = strnlen(text, max + 1);

        if (length > max)
                for (length = max; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80; length--)
                        ;
        return strndup(text, length);
}

int condition_set(struct condition *condition, enum condition_status status, const char *reason,
                  const char *message, uint64_t now_usec)
{
        _cleanup_free_ char *new_reason = cut(reason, CONDITION_REASON_MAX);
        _cleanup_free_ char *new_message = cut(message, CONDITION_MESSAGE_MAX);
        bool changed;

        if (!new_reason || !new_message)
                return -ENOMEM;

        changed = condition->status != status || condition->transition_usec == 0 ||
                  !same(condition->reason, new_reason) || !same(condition->message, new_message);
        if (condition->status != status || condition->transition_usec == 0)
                condition->transition_usec = now_usec;
        condition->status = status;
        free(condition->reason);
        free(condition->message);
        condition->reason = TAKE_PTR(new_reason);
        condition->message = TAKE_PTR(new_message);
        return changed;
}

int condition_healthy(const struct condition *condition)
{
        switch (condition->status) {
        case CONDITION_UNKNOWN:
                return -1;
        case CONDITION_TRUE:
                return !condition->good_when_false;
        case CONDITION_FALSE:
                return condition->good_when_false;
        }
        return -1;
}

int condition_write(const struct condition *condition, json_object **ret)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        char time[TIMESTAMP_SIZE];
        int healthy = condition_healthy(condition);
        int r = 0;

        if (!object)
                return -ENOMEM;
        r |= json_set_string(object, "type", condition->type);
        r |= json_set_string(object, "status", condition_status_name(condition->status));
        r |= json_set_string(object, "reason", condition->reason);
        r |= json_set_string(object, "message", condition->message);
        r |= json_set_string(object, "lastTransitionTime",
                             timestamp_format(condition->transition_usec, time));
        r |= healthy < 0 ? json_set_string(object, "healthy", NULL)
                         : json_set_bool(object, "healthy", healthy);
        r |= json_set_string(object, "severity", severity_name(condition->severity));
        if (r != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(object);
        return 0;
}

static int index_of(const char *const *names, size_t n, const char *name)
{
        for (size_t i = 0; name && i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return (int)i;
        return -1;
}

/* Kubernetes' own rule for types and reasons, less the prefix that types may have: a letter, then letters and
 * digits. */
static bool is_camel_case(const char *text)
{
        if (!text || !isupper((unsigned char)text[0]) || strlen(text) > CONDITION_REASON_MAX)
                return false;
        for (; *text; text++)
                if (!isalnum((unsigned char)*text))
                        return false;
        return true;
}

int condition_read(json_object *object, struct condition *ret, struct failure *failure)
{
        const char *type = json_string(object, "type"), *reason = json_string(object, "reason");
        const char *message = json_string(object, "message"),
                   *time = json_string(object, "lastTransitionTime");
        int status = index_of(status_names, ELEMENTS(status_names), json_string(object, "status"));
        int severity = index_of(severity_names, ELEMENTS(severity_names), json_string(object, "severity"));
        json_object *healthy = json_member(object, "healthy", json_type_boolean);
        _cleanup_(condition_clear) struct condition condition = {};

        if (!is_camel_case(type))
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "a condition has no CamelCase \"type\"");
        if (!is_camel_case(reason))
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "condition %s has no CamelCase \"reason\"", type);
        if (status < 0)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "condition %s: \"status\" is not True, False or Unknown", type);
        if (severity < 0)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "condition %s: \"severity\" is not Fatal or Warning", type);
        if (!message || strlen(message) > CONDITION_MESSAGE_MAX)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "condition %s: \"message\" is missing or longer than %d bytes", type,
                                   CONDITION_MESSAGE_MAX);
        if (!time || timestamp_parse(time, &condition.transition_usec) < 0)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "condition %s: \"lastTransitionTime\" is not an RFC 3339 time in UTC",
                                   type);
        if (status != CONDITION_UNKNOWN && !healthy)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "condition %s: \"healthy\" is not true or false", type);

        condition.status = (enum condition_status)status;
        condition.severity = (enum severity)severity;
        condition.good_when_false = status != CONDITION_UNKNOWN &&
                                    (status == CONDITION_FALSE) == (json_object_get_boolean(healthy) != 0);
        condition.type = strdup(type);
        condition.reason = strdup(reason);
        condition.message = strdup(message);
        if (!condition.type || !condition.reason || !condition.message)
                return -ENOMEM;
        *ret = condition;
        condition = (struct condition){};
        return 0;
}
