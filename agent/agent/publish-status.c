/* SPDX-License-Identifier: Apache-2.0 */

#include "publish-status.h"

#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "metric.h"
#include "quantity.h"
#include "timestamp.h"

uint64_t publish_random(void)
{
        uint64_t random;

        return getrandom(&random, sizeof(random), GRND_NONBLOCK) == sizeof(random) ? random
                                                                                   : now_realtime_usec();
}

static void forget_failure(struct publish_status *status)
{
        free(status->reason);
        free(status->message);
        status->reason = status->message = NULL;
}

void publish_status_clear(struct publish_status *status)
{
        forget_failure(status);
}

void publish_failed(struct publish_status *status, const char *reason, const char *message)
{
        if (!status->reason || strcmp(status->reason, reason) != 0)
                log_message(LOG_WARNING, MESSAGE_PUBLISHING_FAILS,
                            "Cannot publish to %s: %s: %s; trying again", status->target, reason, message);
        if (status->failing_usec == 0)
                status->failing_usec = now_boottime_usec();
        forget_failure(status);
        status->reason = strdup(reason);
        status->message = strdup(message);
}

void publish_succeeded(struct publish_status *status, const char *what)
{
        char time[QUANTITY_SIZE];

        if (status->failing_usec > 0)
                log_message(LOG_NOTICE, MESSAGE_PUBLISHING_WORKS, "Publishing %s works, after %s of trying",
                            what, duration_format_human(now_boottime_usec() - status->failing_usec, time));
        else if (!status->published)
                log_message(LOG_NOTICE, MESSAGE_PUBLISHING_WORKS, "Publishing %s", what);
        status->failing_usec = 0;
        forget_failure(status);
        status->published = true;
        status->success_usec = now_realtime_usec();
}

static const char *judge(const struct publish_status *status)
{
        if (status->failing_usec > 0 && now_boottime_usec() - status->failing_usec >= PUBLISH_GRACE_USEC)
                return "Warn";
        return status->published ? "OK" : "Unknown";
}

int publish_status_check(struct publish_status *status, const char *unknown_reason, const char *message,
                         json_object *checks)
{
        const char *found = judge(status), *reason = "Published";
        json_object *check = json_object_new_object();
        char time[TIMESTAMP_SIZE];
        int r;

        r = json_append(checks, check);
        if (r < 0)
                return r;
        if (!status->check || strcmp(status->check, found) != 0) {
                status->check = found;
                status->check_usec = now_realtime_usec();
        }
        if (strcmp(found, "Unknown") == 0)
                reason = unknown_reason;
        if (strcmp(found, "Warn") == 0 && status->reason && status->message) {
                reason = status->reason;
                message = status->message;
        }
        r |= json_set_string(check, "name", status->target);
        r |= json_set_string(check, "status", found);
        r |= json_set_string(check, "reason", reason);
        r |= json_set_string(check, "message", message);
        r |= json_set_string(check, "since", timestamp_format(status->check_usec, time));
        if (status->tried_usec > 0)
                r |= json_set_string(check, "lastRun", timestamp_format(status->tried_usec, time));
        return r == 0 ? 0 : -ENOMEM;
}

int publish_status_count(const struct publish_status *status, const char *reason, uint64_t requests,
                         json_object *metrics)
{
        return metric_add(metrics, METRIC_COUNTER, "capi_node_publish_requests_total",
                          "Requests about the node's state, by what became of them.", (double)requests,
                          "target", status->target, "result", reason, NULL);
}

int publish_status_metrics(const struct publish_status *status, json_object *metrics)
{
        const uint64_t seconds = status->success_usec / USEC_PER_SEC;
        int r = 0;

        r |= metric_add(metrics, METRIC_GAUGE, "capi_node_publish_up",
                        "Whether the last write to the target succeeded.",
                        status->published && status->failing_usec == 0, "target", status->target, NULL);
        if (status->success_usec > 0)
                r |= metric_add(metrics, METRIC_GAUGE, "capi_node_publish_last_success_timestamp_seconds",
                                "When the last write to the target succeeded.", (double)seconds, "target",
                                status->target, NULL);
        return r == 0 ? 0 : -ENOMEM;
}
