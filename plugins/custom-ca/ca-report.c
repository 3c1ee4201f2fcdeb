/* SPDX-License-Identifier: Apache-2.0 */

#include "ca-report.h"

#include <string.h>

#include "metric.h"
#include "timestamp.h"
#include "watch.h"
#include "x509.h"

#define PREFIX METRIC_NAME_PREFIX "custom_ca_"

static int add_authority(json_object *authorities, const struct authority *authority, bool known)
{
        json_object *object = json_object_new_object();
        char time[TIMESTAMP_SIZE];
        int r;

        r = json_append(authorities, object);
        if (r < 0)
                return r;
        r = json_set_string(object, "name", authority->name);
        if (r < 0)
                return r;
        r = json_set_string(object, "fingerprint", authority->fingerprint);
        if (r < 0)
                return r;
        r = json_set_string(object, "notAfter",
                            timestamp_format(certificate_not_after(authority->certificate), time));
        return r < 0 ? r : json_set_bool(object, "trustedBySystem", known);
}

int ca_describe(json_object *array, const struct authorities *authorities, bool known)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < authorities->count; i++)
                r = add_authority(array, &authorities->items[i], known);
        return r;
}

static int add_metrics(json_object *metrics, const struct authorities *authorities)
{
        for (size_t i = 0; i < authorities->count; i++) {
                const struct authority *authority = &authorities->items[i];
                int r = metric_add(metrics, METRIC_GAUGE, PREFIX "not_after_timestamp_seconds",
                                   "When the authority's certificate expires.",
                                   (double)certificate_not_after(authority->certificate) / 1e6, "name",
                                   authority->name, "fingerprint", authority->fingerprint, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_lists(json_object *info, const struct ca_watch *watch)
{
        json_object *authorities = json_object_new_array(), *stale = json_object_new_array();
        int r;

        r = json_set(info, "authorities", authorities);
        if (r >= 0)
                r = json_set(info, "staleUnits", stale);
        else
                json_object_put(stale);
        if (r >= 0)
                r = ca_describe(authorities, &watch->desired.wanted, false);
        if (r >= 0)
                r = ca_describe(authorities, &watch->desired.known, true);
        for (size_t i = 0; r >= 0 && i < watch->stale.count; i++)
                r = json_append(stale, json_object_new_string(watch->stale.items[i]));
        return r;
}

/* Only for a unit that runs with the old store: at boot the store is made before containerd starts, and a
 * restart then would be for nothing. The agent serves each digest once. */
static int add_restarts(struct report *report, const struct ca_watch *watch)
{
        for (size_t i = 0; i < watch->config->restart_units.count; i++)
                for (size_t j = 0; j < watch->stale.count; j++)
                        if (strcmp(watch->config->restart_units.items[i], watch->stale.items[j]) == 0) {
                                int r = report_add_restart_since(report, watch->stale.items[j],
                                                                 watch->changed.of,
                                                                 watch->changed.realtime_usec);
                                if (r < 0)
                                        return r;
                        }
        return 0;
}

int ca_report(struct plugin_context *ctx, struct report *report)
{
        const struct ca_watch *watch = ctx->userdata;
        int r;

        if (!watch)
                return 0;
        r = add_metrics(report->metrics, &watch->desired.wanted);
        if (r >= 0)
                r = add_metrics(report->metrics, &watch->desired.known);
        if (r >= 0)
                r = metric_add(report->metrics, METRIC_GAUGE, PREFIX "stale_units",
                               "Units that started before the trust store last changed.",
                               (double)watch->stale.count, NULL);
        if (r >= 0)
                r = metric_add(report->metrics, METRIC_COUNTER, REPAIRS_METRIC,
                               "Changes and repairs of the trust store since the node booted.",
                               (double)watch->repairs, NULL);
        if (r < 0)
                return r;
        report->info = json_object_new_object();
        if (!report->info)
                return -ENOMEM;
        r = add_lists(report->info, watch);
        return r < 0 ? r : add_restarts(report, watch);
}
