/* SPDX-License-Identifier: Apache-2.0 */

#include "health-stale.h"

#include <string.h>

#include "condition.h"
#include "timestamp.h"

#define REASON "AgentSilent"
#define MESSAGE                                                                               \
        "capi-node-agent has not renewed the health document in time; see journalctl --unit " \
        "capi-node-agent.service"

/* Sets "status" to Unknown with reason and message; `changed` names the key that holds the time at which the
 * status last became another. */
static int make_unknown(json_object *object, const char *changed, const char *since)
{
        const char *status = json_string(object, "status");
        const char *unknown = condition_status_name(CONDITION_UNKNOWN);
        int r = 0;

        if (!status || strcmp(status, unknown) != 0)
                r |= json_set_string(object, changed, since);
        r |= json_set_string(object, "status", unknown);
        r |= json_set_string(object, "reason", REASON);
        r |= json_set_string(object, "message", MESSAGE);
        return r;
}

static int stale_condition(json_object *condition, const char *since)
{
        return make_unknown(condition, "lastTransitionTime", since) |
               json_set_string(condition, "healthy", NULL);
}

static int stale_check(json_object *check, const char *since)
{
        return make_unknown(check, "since", since);
}

static int stale_capability(json_object *capability, const char *since)
{
        return json_set_string(capability, "state", "Silent");
}

static int each_of(json_object *document, const char *key, int (*make)(json_object *, const char *),
                   const char *since)
{
        json_object *array = json_member(document, key, json_type_array);
        int r = 0;

        for (size_t i = 0; array && i < json_object_array_length(array); i++)
                if (json_object_is_type(json_object_array_get_idx(array, i), json_type_object))
                        r |= make(json_object_array_get_idx(array, i), since);
        return r;
}

int health_make_stale(json_object *document, uint64_t since_usec, json_object **ret)
{
        _cleanup_json_ json_object *stale = NULL;
        char since[TIMESTAMP_SIZE];
        int r = 0;

        if (json_object_deep_copy(document, &stale, NULL) < 0)
                return -ENOMEM;
        (void)timestamp_format(since_usec, since);
        r |= json_set_string(stale, "status", "Unknown");
        r |= each_of(stale, "conditions", stale_condition, since);
        r |= each_of(stale, "checks", stale_check, since);
        r |= each_of(stale, "capabilities", stale_capability, since);
        if (r != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(stale);
        return 0;
}
