/* SPDX-License-Identifier: Apache-2.0 */

#include "health.h"

#include <string.h>

#include "config.h"
#include "mark.h"
#include "quantity.h"
#include "timestamp.h"

#define OWN_NAME      "agent"
#define OWN_CONDITION "CapabilitiesReady"

/* ---- conditions ---- */

static json_object *find_condition(json_object *document, const char *type)
{
        json_object *conditions = json_member(document, "conditions", json_type_array);

        for (size_t i = 0; conditions && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);
                const char *name = json_string(condition, "type");

                if (name && strcmp(name, type) == 0)
                        return condition;
        }
        return NULL;
}

/* When the status that is published now came to be. The plugin's own word counts for a change that the agent
 * sees for the first time; what was published before counts for a status that is still the same, however
 * often plugin or agent were restarted meanwhile. */
static uint64_t transition_time(const struct health_input *input, const struct condition *condition,
                                bool believed)
{
        json_object *before = find_condition(input->previous, condition->type);
        const char *status = json_string(before, "status"), *time = json_string(before, "lastTransitionTime");
        uint64_t published;

        if (!status || !time || timestamp_parse(time, &published) < 0)
                return believed ? condition->transition_usec : input->realtime_usec;
        if (strcmp(status, condition_status_name(condition->status)) == 0)
                return published;
        return believed && condition->transition_usec > published ? condition->transition_usec
                                                                  : input->realtime_usec;
}

static int append_condition(const struct health_input *input, json_object *conditions,
                            struct condition *condition, const char *plugin, bool believed)
{
        json_object *object;
        int r;

        condition->transition_usec = transition_time(input, condition, believed);
        r = condition_write(condition, &object);
        if (r < 0)
                return r;
        r = json_set_string(object, "plugin", plugin);
        if (r < 0) {
                json_object_put(object);
                return r;
        }
        return json_append(conditions, object);
}

static int append_reported(const struct health_input *input, json_object *conditions,
                           const struct capability *capability, const struct condition *reported)
{
        const char *distrust = capability_distrust(capability, input->boottime_usec);
        _cleanup_free_ char *message = NULL;
        struct condition condition = *reported;

        if (distrust) {
                condition.status = CONDITION_UNKNOWN;
                condition.reason = (char *)distrust;
                (void)capability_state(capability, input->boottime_usec, &message);
                if (!message)
                        return -ENOMEM;
                condition.message = message;
        }
        return append_condition(input, conditions, &condition, capability->name, !distrust);
}

/* The agent's own condition: whether what is configured is in force. */
static int judge_capabilities(const struct health_input *input, struct condition *ret)
{
        _cleanup_free_ char *failed = strdup(""), *waiting = strdup("");
        const char *reason = NULL;
        size_t in_force = 0;
        char *message;

        for (size_t i = 0; i < input->capabilities->count; i++) {
                const struct capability *capability = &input->capabilities->items[i];
                _cleanup_free_ char *why = NULL;
                enum capability_state state = capability_state(capability, input->boottime_usec, &why);
                char **list = state == CAPABILITY_FAILED ? &failed : &waiting;
                char *longer;

                if (state == CAPABILITY_IN_FORCE)
                        in_force++;
                if (state == CAPABILITY_IN_FORCE || state == CAPABILITY_DISABLED)
                        continue;
                if (state == CAPABILITY_SILENT)
                        reason = capability_distrust(capability, input->boottime_usec);
                if (!*list || asprintf(&longer, "%s%s%s: %s", *list, **list ? "; " : "", capability->name,
                                       why ? why : "") < 0)
                        return -ENOMEM;
                free(*list);
                *list = longer;
        }
        if (!failed || !waiting)
                return -ENOMEM;

        ret->status = *failed ? CONDITION_FALSE : *waiting ? CONDITION_UNKNOWN : CONDITION_TRUE;
        ret->reason = strdup(*failed    ? "CapabilityFailed"
                             : reason   ? reason
                             : *waiting ? "CapabilityPending"
                             : in_force ? "AllInForce"
                                        : "NothingConfigured");
        if (asprintf(&message, *failed || *waiting ? "%s%s%s" : "%s%s%s%zu in force", failed,
                     *failed && *waiting ? "; " : "", waiting, in_force) < 0)
                return -ENOMEM;
        ret->message = strndup(message, CONDITION_MESSAGE_MAX);
        free(message);
        return ret->reason && ret->message ? 0 : -ENOMEM;
}

static int append_own(const struct health_input *input, json_object *conditions)
{
        _cleanup_(condition_clear) struct condition condition = { .severity = SEVERITY_WARNING };
        int r;

        condition.type = strdup(OWN_CONDITION);
        if (!condition.type)
                return -ENOMEM;
        r = judge_capabilities(input, &condition);
        if (r < 0)
                return r;
        return append_condition(input, conditions, &condition, OWN_NAME, false);
}

static bool lists_type(json_object *conditions, const char *type)
{
        for (size_t i = 0; i < json_object_array_length(conditions); i++)
                if (strcmp(json_string(json_object_array_get_idx(conditions, i), "type"), type) == 0)
                        return true;
        return false;
}

static int compare_types(const void *a, const void *b)
{
        return strcmp(json_string(*(json_object *const *)a, "type"),
                      json_string(*(json_object *const *)b, "type"));
}

static int make_conditions(const struct health_input *input, json_object *conditions)
{
        int r;

        r = append_own(input, conditions);
        if (r < 0)
                return r;
        for (size_t i = 0; i < input->capabilities->count; i++) {
                const struct capability *capability = &input->capabilities->items[i];

                for (size_t k = 0; capability->report && k < capability->report->n_conditions; k++) {
                        const struct condition *condition = &capability->report->conditions[k];

                        /* Two plugins that claim one type: the first by name has it. */
                        if (lists_type(conditions, condition->type))
                                continue;
                        r = append_reported(input, conditions, capability, condition);
                        if (r < 0)
                                return r;
                }
        }
        json_object_array_sort(conditions, compare_types);
        return 0;
}

/* The node's state in one word. A Fatal condition that is Unknown makes the node Unknown, not Unhealthy:
 * nobody has seen anything wrong; a Warning that is not good, Unknown or not, makes it Degraded. */
static const char *judge(json_object *conditions)
{
        bool fatal_unknown = false, degraded = false;

        for (size_t i = 0; i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);
                json_object *healthy = json_member(condition, "healthy", json_type_boolean);
                bool fatal = strcmp(json_string(condition, "severity"), severity_name(SEVERITY_FATAL)) == 0;

                if (healthy && json_object_get_boolean(healthy))
                        continue;
                if (fatal && healthy)
                        return "Unhealthy";
                fatal_unknown |= fatal;
                degraded |= !fatal;
        }
        return fatal_unknown ? "Unknown" : degraded ? "Degraded" : "Healthy";
}

/* ---- capabilities, checks, versions ---- */

static int append_capability(const struct health_input *input, json_object *array,
                             const struct capability *capability)
{
        const struct report *report = capability->report;
        _cleanup_free_ char *message = NULL;
        enum capability_state state = capability_state(capability, input->boottime_usec, &message);
        json_object *object = json_object_new_object();
        char time[TIMESTAMP_SIZE];
        int r;

        r = json_append(array, object);
        if (r < 0)
                return r;
        r |= json_set_string(object, "name", capability->name);
        r |= json_set_string(object, "desired", report ? report->desired : NULL);
        r |= json_set_string(object, "applied", report ? report->applied : NULL);
        r |= json_set_string(object, "appliedAt",
                             report && report->applied_usec ? timestamp_format(report->applied_usec, time)
                                                            : NULL);
        r |= json_set_string(object, "lastError",
                             state == CAPABILITY_FAILED || state == CAPABILITY_SILENT ? message : NULL);
        r |= json_set_string(object, "state", capability_state_name(state));
        return r == 0 ? 0 : -ENOMEM;
}

/* A check of a plugin that is not to be believed is Unknown, like its conditions. Others are those of the
 * report themselves, which nobody changes. */
static json_object *take_check(json_object *check, const char *distrust)
{
        json_object *copy = NULL;

        if (!distrust)
                return json_object_get(check);
        if (json_object_deep_copy(check, &copy, NULL) < 0)
                return NULL;
        if (json_set_string(copy, "status", "Unknown") < 0 || json_set_string(copy, "reason", distrust) < 0) {
                json_object_put(copy);
                return NULL;
        }
        return copy;
}

static int append_checks(json_object *array, json_object *checks, const char *distrust)
{
        int r;

        for (size_t i = 0; checks && i < json_object_array_length(checks); i++) {
                r = json_append(array, take_check(json_object_array_get_idx(checks, i), distrust));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_versions(json_object *versions, const struct capability *capability)
{
        int r;

        if (!capability->report || !capability->report->versions)
                return 0;
        json_object_object_foreach (capability->report->versions, name, value) {
                r = json_set_string(versions, name, json_object_get_string(value));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the document ---- */

static const char *const check_keys[] = { "name", "status", "reason", NULL };
static const char *const condition_keys[] = { "type", "status", "reason", "severity", NULL };
static const char *const capability_keys[] = { "name", "desired", "applied", "lastError", "state", NULL };

static uint64_t add_text(uint64_t mark, const char *text)
{
        /* With the NUL, so that no two lists of texts are alike. */
        return mark_add(mark, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t add_elements(uint64_t mark, json_object *array, const char *const *keys)
{
        for (size_t i = 0; array && i < json_object_array_length(array); i++)
                for (size_t k = 0; keys[k]; k++)
                        mark = add_text(mark, json_string(json_object_array_get_idx(array, i), keys[k]));
        return mark;
}

/* What a change of the sequence is about: states and reasons, not times, numbers and texts that move all the
 * while. */
static uint64_t essence(json_object *document)
{
        json_object *versions = json_member(document, "versions", json_type_object);
        uint64_t mark = MARK_START;

        mark = add_text(mark, json_string(document, "status"));
        mark = add_text(mark, json_string(document, "phase"));
        mark = add_text(mark, json_string(document, "node"));
        mark = add_text(mark, json_string(document, "agentVersion"));
        mark = add_elements(mark, json_member(document, "conditions", json_type_array), condition_keys);
        mark = add_elements(mark, json_member(document, "capabilities", json_type_array), capability_keys);
        mark = add_elements(mark, json_member(document, "checks", json_type_array), check_keys);
        return add_text(mark, versions ? json_object_to_json_string(versions) : NULL);
}

static int set_sequence(json_object *document, json_object *previous)
{
        const char *boot = json_string(previous, "bootId");
        int64_t sequence = 1;

        if (boot && strcmp(boot, boot_id()) == 0)
                sequence = json_integer(previous, "sequence", 0) + (essence(document) != essence(previous));
        return json_set_integer(document, "sequence", sequence);
}

static int set_header(const struct health_input *input, json_object *document)
{
        char time[TIMESTAMP_SIZE], valid_for[QUANTITY_SIZE];
        int r = 0;

        r |= json_set_string(document, "apiVersion", CONFIG_API_VERSION);
        r |= json_set_string(document, "node", input->node);
        r |= json_set_string(document, "hostname", input->hostname);
        r |= json_set_string(document, "bootId", boot_id());
        r |= json_set_string(document, "agentVersion", PROJECT_VERSION);
        r |= json_set_string(document, "generatedAt", timestamp_format(input->realtime_usec, time));
        r |= json_set_string(document, "validFor", duration_format(HEALTH_VALID_FOR_USEC, valid_for));
        r |= json_set_integer(document, "sequence", 0);
        r |= json_set_string(document, "status", "Unknown");
        r |= json_set_string(document, "phase", input->phase);
        return r == 0 ? 0 : -ENOMEM;
}

int health_make(const struct health_input *input, json_object **ret)
{
        _cleanup_json_ json_object *document = json_object_new_object();
        json_object *conditions = json_object_new_array(), *capabilities = json_object_new_array();
        json_object *checks = json_object_new_array(), *versions = json_object_new_object();
        json_object *timers = input->timers ? json_object_get(input->timers) : json_object_new_array();
        int r;

        r = set_header(input, document);
        r |= json_set(document, "conditions", conditions);
        r |= json_set(document, "capabilities", capabilities);
        r |= json_set(document, "checks", checks);
        r |= json_set(document, "versions", versions);
        r |= json_set(document, "timers", timers);
        if (r != 0)
                return -ENOMEM;

        r = make_conditions(input, conditions);
        if (r >= 0)
                r = append_checks(checks, input->checks, NULL);
        if (r < 0)
                return r;
        for (size_t i = 0; i < input->capabilities->count; i++) {
                const struct capability *capability = &input->capabilities->items[i];

                r = append_capability(input, capabilities, capability);
                if (r >= 0)
                        r = append_checks(checks, capability->report ? capability->report->checks : NULL,
                                          capability_distrust(capability, input->boottime_usec));
                if (r >= 0)
                        r = add_versions(versions, capability);
                if (r < 0)
                        return r;
        }
        r = json_set_string(document, "status", judge(conditions));
        if (r < 0)
                return r;
        r = set_sequence(document, input->previous);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(document);
        return 0;
}
