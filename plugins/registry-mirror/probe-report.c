/* SPDX-License-Identifier: Apache-2.0 */

#include "probe-report.h"

#include "metric.h"
#include "quantity.h"

#define PREFIX "capi_node_registry_mirror_"

struct endpoint {
        const char *registry, *url;
        const struct standing *standing;
};

static int add(json_object *metrics, const struct endpoint *endpoint, const char *name, const char *help,
               double value)
{
        return metric_add(metrics, METRIC_GAUGE, name, help, value, "registry", endpoint->registry,
                          "endpoint", endpoint->url, NULL);
}

static double seconds(uint64_t usec)
{
        return (double)usec / USEC_PER_SEC;
}

static int add_endpoint(json_object *metrics, const struct endpoint *endpoint)
{
        const struct standing *standing = endpoint->standing;
        int r;

        r = add(metrics, endpoint, PREFIX "demoted",
                "Whether the endpoint is asked behind those that answer.", standing->demoted);
        if (r < 0 || standing->state == PROBE_UNKNOWN)
                return r;
        r = add(metrics, endpoint, PREFIX "up", "Whether a registry answered the last probe of the endpoint.",
                probe_is_good(standing->last.state));
        if (r >= 0)
                r = add(metrics, endpoint, PREFIX "probe_status",
                        "HTTP status of the last probe's answer; 0: none came.",
                        (double)standing->last.status);
        if (r >= 0)
                r = add(metrics, endpoint, PREFIX "probe_seconds",
                        "How long the last probe of the endpoint took.",
                        seconds(standing->last.latency_usec));
        if (r >= 0 && standing->last.expires_usec > 0)
                r = add(metrics, endpoint, PREFIX "not_after_timestamp_seconds",
                        "When the endpoint's certificate expires.", seconds(standing->last.expires_usec));
        return r;
}

static int describe_endpoint(json_object *list, const struct endpoint *endpoint)
{
        const struct standing *standing = endpoint->standing;
        json_object *object = json_object_new_object();
        int r;

        r = json_append(list, object);
        if (r >= 0)
                r = json_set_string(object, "registry", endpoint->registry);
        if (r >= 0)
                r = json_set_string(object, "endpoint", endpoint->url);
        if (r < 0 || standing->state == PROBE_UNKNOWN)
                return r < 0 ? r : json_set_string(object, "usable", NULL);
        r = json_set_bool(object, "usable", probe_is_good(standing->state));
        if (r >= 0)
                r = json_set_string(object, "answer", standing->detail);
        return r < 0 ? r : json_set_bool(object, "demoted", standing->demoted);
}

int probe_report(const struct probes *probes, struct report *report)
{
        const struct mirror_plan *plan = probes_plan(probes);
        json_object *list = json_object_new_array();
        int r;

        r = json_set(report->info, "probes", list);
        for (size_t i = 0; r >= 0 && i < plan->n_hosts && i < PROBE_REPORT_MAX; i++) {
                const struct endpoint endpoint = { plan->hosts[i].registry ?: "default",
                                                   plan->hosts[i].endpoint->url, probes_standing(probes, i) };

                r = add_endpoint(report->metrics, &endpoint);
                if (r >= 0)
                        r = describe_endpoint(list, &endpoint);
        }
        return r;
}

void probe_print(const char *report_path)
{
        _cleanup_(report_freep) struct report *report = NULL;
        json_object *list;

        if (report_load(report_path, &report, NULL) < 0)
                return;
        list = json_member(report->info, "probes", json_type_array);
        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                json_object *probe = json_object_array_get_idx(list, i);
                const char *registry = json_string(probe, "registry"),
                           *endpoint = json_string(probe, "endpoint"), *answer = json_string(probe, "answer");

                printf("%s%s (%s): %s%s\n", i == 0 ? "\nprobes:\n  " : "  ", endpoint ?: "?", registry ?: "?",
                       answer ?: "not asked yet",
                       json_object_get_boolean(json_member(probe, "demoted", json_type_boolean))
                               ? ", asked behind the others"
                               : "");
        }
}
