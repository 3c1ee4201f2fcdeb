/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "health.h"
#include "metric.h"
#include "quantity.h"

/* One series for each value that a state can have, 1 for the one it has: the form that alerts and
 * MachineHealthCheck-like rules read most easily (kube-state-metrics does the same for node conditions). */
static int add_state(json_object *metrics, const char *name, const char *help, const char *label,
                     const char *subject, const char *value_label, const char *const *values,
                     const char *value)
{
        int r = 0;

        for (size_t i = 0; values[i]; i++)
                r |= metric_add(metrics, METRIC_GAUGE, name, help, strcmp(values[i], value) == 0, label,
                                subject, value_label, values[i], NULL);
        return r == 0 ? 0 : -ENOMEM;
}

static int add_conditions(json_object *metrics, json_object *document)
{
        static const char *const statuses[] = { "True", "False", "Unknown", NULL };
        json_object *conditions = json_member(document, "conditions", json_type_array);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);

                r = add_state(metrics, "capi_node_condition", "Node conditions: 1 for the status that holds.",
                              "type", json_string(condition, "type"), "status", statuses,
                              json_string(condition, "status"));
        }
        return r;
}

static int add_capabilities(json_object *metrics, const struct health_input *input)
{
        static const char *const states[] = { "InForce", "Pending", "Failed", "Silent", "Disabled", NULL };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < input->capabilities->count; i++) {
                const struct capability *capability = &input->capabilities->items[i];
                _cleanup_free_ char *message = NULL;
                enum capability_state state = capability_state(capability, input->boottime_usec, &message);

                r = add_state(metrics, "capi_node_capability_state",
                              "Capabilities: 1 for the state that holds.", "capability", capability->name,
                              "state", states, capability_state_name(state));
                if (r < 0 || !capability->report || capability->own)
                        continue;
                r = metric_add(metrics, METRIC_GAUGE, "capi_node_report_age_seconds",
                               "Age of each plugin's report, counted by the agent.",
                               (double)(input->boottime_usec - capability->seen_usec) / (double)USEC_PER_SEC,
                               "capability", capability->name, NULL);
                if (r >= 0)
                        r = metric_add(metrics, METRIC_COUNTER, "capi_node_plugin_restarts_total",
                                       "How often a plugin's process was another one than before, since the "
                                       "agent started.",
                                       (double)capability->restarts, "capability", capability->name, NULL);
        }
        return r;
}

static int add_own(json_object *metrics, const struct health_input *input, json_object *document)
{
        static const char *const statuses[] = { "Healthy", "Degraded", "Unhealthy", "Unknown", NULL };
        int r = 0;

        r |= metric_add(metrics, METRIC_GAUGE, "capi_node_agent_info", "The agent's version, always 1.", 1,
                        "version", PROJECT_VERSION, NULL);
        r |= metric_add(metrics, METRIC_GAUGE, "capi_node_agent_start_time_seconds",
                        "When the agent was started.", (double)input->started_usec / (double)USEC_PER_SEC,
                        NULL);
        r |= metric_add(metrics, METRIC_GAUGE, "capi_node_agent_loop_seconds",
                        "For how long the agent's event loop was held up at most, since the page before.",
                        (double)input->busy_usec / (double)USEC_PER_SEC, NULL);
        for (size_t i = 0; statuses[i]; i++)
                r |= metric_add(metrics, METRIC_GAUGE, "capi_node_status",
                                "The node in one word: 1 for the one that holds.",
                                strcmp(statuses[i], json_string(document, "status")) == 0, "status",
                                statuses[i], NULL);
        if (r != 0)
                return -ENOMEM;
        r = add_conditions(metrics, document);
        if (r < 0)
                return r;
        return add_capabilities(metrics, input);
}

int health_metrics(const struct health_input *input, json_object *document, char **ret_text, size_t *ret_size)
{
        size_t count = input->capabilities->count + 2, size = 0;
        _cleanup_free_ json_object **arrays = calloc(count, sizeof(*arrays));
        _cleanup_free_ const char **plugins = calloc(count, sizeof(*plugins));
        _cleanup_json_ json_object *own = json_object_new_array();
        _cleanup_free_ char *text = NULL;
        FILE *stream;
        int r;

        if (!arrays || !plugins || !own)
                return -ENOMEM;
        r = add_own(own, input, document);
        if (r < 0)
                return r;
        arrays[0] = own;
        arrays[1] = input->metrics;
        for (size_t i = 0; i < input->capabilities->count; i++) {
                const struct capability *capability = &input->capabilities->items[i];

                if (!capability->report || capability_distrust(capability, input->boottime_usec))
                        continue;
                arrays[i + 2] = capability->report->metrics;
                plugins[i + 2] = capability->name;
        }

        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;
        r = metric_render(stream, arrays, plugins, count);
        if (fclose(stream) != 0 || r < 0)
                return r < 0 ? r : -ENOMEM;
        *ret_text = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}
