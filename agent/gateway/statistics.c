/* SPDX-License-Identifier: Apache-2.0 */

#include "statistics.h"

#include "health-document.h"
#include "metric.h"
#include "quantity.h"

const struct http_status http_statuses[HTTP_STATUSES] = {
        { 200, "OK" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
};

static const char *const refusal_names[] = {
        [REFUSED_CONNECTIONS] = "connections",
        [REFUSED_HANDSHAKE] = "handshake",
        [REFUSED_DEADLINE] = "deadline",
        [REFUSED_SUBJECT] = "subject",
        [REFUSED_RATE] = "rate",
};

size_t http_status_index(unsigned code)
{
        size_t i = 0;

        while (http_statuses[i].code != code)
                i++;
        return i;
}

/* Every series from the start, also at zero: otherwise the first event would be invisible to rate(). */
static int add_counters(json_object *metrics, const struct statistics *statistics)
{
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(http_statuses); i++) {
                char code[8];

                (void)snprintf(code, sizeof(code), "%u", http_statuses[i].code);
                r |= metric_add(metrics, METRIC_COUNTER, "capi_node_gateway_requests_total",
                                "Requests that were answered, by HTTP status.",
                                (double)statistics->requests[i], "code", code, NULL);
        }
        for (size_t i = 0; i < ELEMENTS(refusal_names); i++)
                r |= metric_add(
                        metrics, METRIC_COUNTER, "capi_node_gateway_refused_total",
                        "Connections and requests that were refused: one connection too many, a "
                        "failed handshake, a deadline, a subject that is not allowed, a rate exceeded.",
                        (double)statistics->refused[i], "reason", refusal_names[i], NULL);
        return r;
}

static int add_health(json_object *metrics, const struct health_document *health)
{
        int r;

        r = metric_add(metrics, METRIC_GAUGE, "capi_node_agent_up",
                       "Whether the agent renews the health document in time.",
                       health_document_is_fresh(health), NULL);
        if (health_document_view(health))
                r |= metric_add(metrics, METRIC_GAUGE, "capi_node_health_age_seconds",
                                "Time since the agent last renewed the health document.",
                                (double)health_document_age_usec(health) / (double)USEC_PER_SEC, NULL);
        return r;
}

int statistics_write(FILE *stream, const struct statistics *statistics, size_t connections,
                     const struct health_document *health)
{
        _cleanup_json_ json_object *metrics = json_object_new_array();
        int r = 0;

        if (!metrics)
                return -ENOMEM;
        r |= metric_add(metrics, METRIC_GAUGE, "capi_node_gateway_connections", "Open connections.",
                        (double)connections, NULL);
        r |= add_counters(metrics, statistics);
        r |= add_health(metrics, health);
        if (r != 0)
                return -ENOMEM;
        return metric_render(stream, &metrics, NULL, 1);
}
