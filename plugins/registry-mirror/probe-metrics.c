/* SPDX-License-Identifier: Apache-2.0 */

#include "probe-metrics.h"

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

int probe_metrics(const struct probes *probes, json_object *metrics)
{
        const struct mirror_plan *plan = probes_plan(probes);

        for (size_t i = 0, done = 0; i < plan->n_hosts && done < PROBE_METRICS_MAX; i++, done++) {
                const struct endpoint endpoint = { plan->hosts[i].registry ?: "default",
                                                   plan->hosts[i].endpoint->url, probes_standing(probes, i) };
                int r = add_endpoint(metrics, &endpoint);

                if (r < 0)
                        return r;
        }
        return 0;
}
