/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "metric.h"
#include "timestamp.h"
#include "watch.h"

#define PREFIX METRIC_NAME_PREFIX "proxy_"

/* Not of the settings: those hold a password, and reports are for everyone. */
static int because_of(const char *name, const struct last_change *change, char ret[static SHA256_TEXT_SIZE])
{
        char text[512], time[TIMESTAMP_SIZE];
        int n = snprintf(text, sizeof(text), "%s %s", name, timestamp_format(change->realtime_usec, time));

        return digest_text(text, (size_t)n, ret);
}

/* What the agent grants (agent/agent/requests.c). */
static bool is_restartable(const char *unit)
{
        return strcmp(unit, "containerd.service") == 0 || strcmp(unit, "kubelet.service") == 0;
}

static int add_restarts(struct report *report, const struct proxy_watch *watch)
{
        int r = 0;

        /* Before the kubelet runs nothing is disturbed. */
        if (watch->kubelet_runs && !watch->config->allow_restart)
                return 0;
        for (size_t i = 0; r >= 0 && i < watch->stale.count; i++) {
                const char *unit = watch->stale.items[i];
                char because[SHA256_TEXT_SIZE];
                struct last_change change;

                if (!is_restartable(unit))
                        continue;
                change_of(watch->ctx, unit, &change);
                r = because_of(unit, &change, because);
                if (r >= 0)
                        r = report_add_restart_since(report, unit, because, change.realtime_usec);
        }
        return r;
}

/* At the next boot systemd reads the drop-ins by itself. */
static int add_reload(struct report *report, const struct proxy_watch *watch)
{
        char because[SHA256_TEXT_SIZE];
        struct last_change change;
        int r;

        change_of(watch->ctx, DROP_INS, &change);
        if (change.boottime_usec == 0)
                return 0;
        r = because_of(DROP_INS, &change, because);
        if (r < 0)
                return r;
        report->daemon_reload = strdup(because);
        return report->daemon_reload ? 0 : -ENOMEM;
}

static int add_metrics(json_object *metrics, const struct proxy_watch *watch)
{
        const char *target = watch->config->probe.target;
        int r;

        r = metric_add(metrics, METRIC_GAUGE, PREFIX "stale_units",
                       "Units that started before their proxy last changed.", (double)watch->stale.count,
                       NULL);
        if (r >= 0)
                r = metric_add(metrics, METRIC_GAUGE, PREFIX "shadowing_drop_ins",
                               "Drop-ins of others that make the proxy's variables worth nothing.",
                               (double)watch->shadowing.count, NULL);
        if (r >= 0)
                r = metric_add(metrics, METRIC_COUNTER, CHANGES_METRIC,
                               "Times that files were written anew since the node booted.",
                               (double)watch->repairs, NULL);
        if (r < 0 || !target || !watch->probed)
                return r;
        r = metric_add(metrics, METRIC_GAUGE, PREFIX "up",
                       "Whether the proxy connects to the probe's target.",
                       watch->probe_failure.reason ? 0 : 1, "target", target, NULL);
        return r < 0 ? r
                     : metric_add(metrics, METRIC_GAUGE, PREFIX "probe_seconds",
                                  "How long the last probe took.", watch->probe_seconds, "target", target,
                                  NULL);
}

static int add_strings(json_object *info, const char *key, const struct config_strings *strings)
{
        json_object *array = json_object_new_array();
        int r;

        r = json_set(info, key, array);
        for (size_t i = 0; r >= 0 && i < strings->count; i++)
                r = json_append(array, json_object_new_string(strings->items[i]));
        return r;
}

static int add_info(struct report *report, const struct proxy_watch *watch)
{
        const struct proxy_config *config = watch->config;
        int r;

        report->info = json_object_new_object();
        if (!report->info)
                return -ENOMEM;
        r = json_set_string(report->info, "httpProxy", config->http_proxy);
        if (r >= 0)
                r = json_set_string(report->info, "httpsProxy", config->https_proxy);
        if (r >= 0)
                r = json_set_bool(report->info, "credentials", config->credentials_file);
        if (r >= 0)
                r = json_set_string(report->info, "noProxy", watch->direct);
        if (r >= 0)
                r = add_strings(report->info, "staleUnits", &watch->stale);
        if (r >= 0)
                r = add_strings(report->info, "shadowingDropIns", &watch->shadowing);
        return r < 0 ? r : add_strings(report->info, "overriddenDropIns", &watch->overridden);
}

int proxy_report(struct plugin_context *ctx, struct report *report)
{
        const struct proxy_watch *watch = ctx->userdata;
        int r;

        if (!watch)
                return 0;
        r = add_metrics(report->metrics, watch);
        if (r >= 0)
                r = add_info(report, watch);
        if (r >= 0)
                r = add_reload(report, watch);
        return r < 0 ? r : add_restarts(report, watch);
}
