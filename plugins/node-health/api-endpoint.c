/* SPDX-License-Identifier: Apache-2.0 */

#include "api.h"

#include <curl/curl.h>
#include <math.h>

#include "http-probe.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "timestamp.h"

static const struct http_service service = {
        .name = "the cluster's API endpoint",
        .prefix = "APIEndpoint",
        .remedy = "look at the load balancer, the name and the route of `server` in " KUBELET_CONF,
};

/* How far the server's clock is ahead of ours, for certain: its Date has whole seconds and was made some time
 * between our asking and its answer. */
static double clock_skew(uint64_t asked_usec, uint64_t answered_usec, time_t date)
{
        double asked = (double)asked_usec / (double)USEC_PER_SEC;
        double answered = (double)answered_usec / (double)USEC_PER_SEC;

        if ((double)date > answered)
                return (double)date - answered;
        if ((double)date + 1 < asked)
                return (double)date + 1 - asked;
        return 0;
}

static void judge_clock(struct node *node, const char *date, struct check_result *result)
{
        uint64_t limit_usec = node->config->checks.api_endpoint.max_skew_usec;
        double limit = (double)limit_usec / (double)USEC_PER_SEC;
        time_t time = date ? curl_getdate(date, NULL) : -1;
        char text[QUANTITY_SIZE];

        if (time < 0)
                return;
        node->clock_skew_seconds = clock_skew(node->api_asked_usec, now_realtime_usec(), time);
        if (fabs(node->clock_skew_seconds) > limit)
                check_result_set(
                        result, CHECK_WARN, "ClockSkewed",
                        "the clock is %.0f s %s the API server's, more than %s; look at: timedatectl "
                        "timesync-status, or chronyc tracking, on both",
                        fabs(node->clock_skew_seconds), node->clock_skew_seconds > 0 ? "behind" : "ahead of",
                        duration_format(limit_usec, text));
        result->value = node->clock_skew_seconds;
        result->threshold = limit;
}

static void on_livez(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        struct check_result result;

        api_judge(&service, transfer, error, &result);
        run->node->clock_skew_seconds = NAN;
        if (result.status == CHECK_OK)
                judge_clock(run->node, http_header(transfer, "date"), &result);
        check_finish(run, &result);
}

int api_endpoint_start(struct check_run *run)
{
        run->node->api_asked_usec = now_realtime_usec();
        return api_start(run, NULL, "/livez", on_livez);
}

int api_endpoint_metrics(const struct node *node, json_object *metrics)
{
        if (isnan(node->clock_skew_seconds))
                return 0;
        return metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "clock_skew_seconds",
                          "How far the API server's clock is ahead of this node's, at least.",
                          node->clock_skew_seconds, NULL);
}
