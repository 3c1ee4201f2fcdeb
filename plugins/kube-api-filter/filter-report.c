/* SPDX-License-Identifier: Apache-2.0 */

/* What the filter adds to its report. */

#include <string.h>

#include "metric.h"
#include "quantity.h"
#include "report.h"
#include "ruleset.h"
#include "service.h"

#define PREFIX "capi_node_kube_api_filter_"

static const char *const phase_names[] = {
        [FILTER_CONFIRMED] = "Confirmed",
        [FILTER_WANTED] = "Pending",
        [FILTER_TRIAL] = "Trial",
        [FILTER_REJECTED] = "RolledBack",
};

/* "accepted_nodes_v4" is accepted, nodes, v4; "dropped_v6" is dropped, unlisted, v6. */
static int add_counter(json_object *metrics, const struct table_counter *counter)
{
        _cleanup_free_ char *name = strdup(counter->name);
        char *family = name ? strrchr(name, '_') : NULL, *reason;

        if (!name)
                return -ENOMEM;
        if (!family)
                return 0;
        *family++ = '\0';
        reason = strchr(name, '_');
        if (reason)
                *reason++ = '\0';
        return metric_add(metrics, METRIC_COUNTER, PREFIX "packets_total",
                          "Packets to the filtered ports, by what was done with them and why.",
                          (double)counter->packets, "verdict", name, "reason", reason ? reason : "unlisted",
                          "family", family, NULL);
}

static int add_counters(const struct service *service, json_object *metrics)
{
        struct table_counters counters;
        int r;

        /* Somebody has just removed the table: the repair is under way. */
        if (table_read_counters(service->filter->netlink, &counters) < 0)
                return 0;
        r = 0;
        for (size_t i = 0; r >= 0 && i < counters.count; i++)
                r = add_counter(metrics, &counters.items[i]);
        table_counters_clear(&counters);
        return r;
}

static int add_sizes(json_object *metrics, const struct loaded_list *loaded, const char *name)
{
        int r = 0;

        for (enum ip_family f = 0; loaded && r >= 0 && f < IP_FAMILIES; f++)
                r = metric_add(metrics, METRIC_GAUGE, PREFIX "ranges", "Ranges of addresses on the list.",
                               (double)filter_list_count(loaded->list, f), "list", name, "family",
                               ip_family_name(f), NULL);
        return r;
}

static int add_gauges(const struct service *service, json_object *metrics)
{
        const struct filter_state *state = &service->filter->state;
        int r;

        r = add_sizes(metrics, service->filter->current, "current");
        if (r >= 0)
                r = add_sizes(metrics, service->filter->candidate, "candidate");
        if (r >= 0)
                r = metric_add(metrics, METRIC_GAUGE, PREFIX "generation",
                               "Number of the rules in force; grows with every change.", state->generation,
                               NULL);
        if (r >= 0)
                r = metric_add(metrics, METRIC_COUNTER, PREFIX "repairs_total",
                               "Times that somebody else changed the table and it was made good.",
                               (double)state->repairs, NULL);
        if (r >= 0)
                r = metric_add(metrics, METRIC_GAUGE, PREFIX "repair_seconds",
                               "How long the last repair took.",
                               (double)service->last_repair_usec / (double)USEC_PER_SEC, NULL);
        if (r >= 0)
                r = metric_add(metrics, METRIC_GAUGE, PREFIX "repair_exposed_seconds",
                               "How long of the last repair passed before packets were judged again.",
                               (double)service->exposed_usec / (double)USEC_PER_SEC, NULL);
        if (r >= 0)
                r = metric_add(metrics, METRIC_GAUGE, PREFIX "last_change_timestamp_seconds",
                               "When the list in force last changed.",
                               (double)state->changed_usec / (double)USEC_PER_SEC, NULL);
        return r;
}

static int add_refused(const struct service *service, json_object *info)
{
        json_object *array = json_object_new_array();
        char name[SET_NAME_SIZE], address[CIDR_TEXT_SIZE];
        int r;

        r = json_set(info, "recentlyRefused", array);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                struct table_elements refused;

                if (table_read_elements(service->filter->netlink, family_suffix(RULESET_REFUSED, f, name), f,
                                        &refused) < 0)
                        continue;
                for (size_t i = 0;
                     r >= 0 && i < refused.count && json_object_array_length(array) < REFUSED_SHOWN; i++)
                        r = json_append(array, json_object_new_string(
                                                       ip_format(f, refused.items[i].address, address)));
                table_elements_clear(&refused);
        }
        return r;
}

/* What "auto" stands for: { "nodes": ["10.9.0.0/24"] }. */
static int add_automatic(const struct service *service, json_object *info)
{
        const struct filter_list *list = service->automatic;
        json_object *classes = json_object_new_object();
        char text[CIDR_TEXT_SIZE];
        int r;

        r = json_set(info, "automatic", classes);
        for (enum source_class c = 0; r >= 0 && list && c < CLASSES; c++) {
                json_object *networks;

                if (list->sets[c][IP_V4].count + list->sets[c][IP_V6].count == 0)
                        continue;
                networks = json_object_new_array();
                r = json_set(classes, source_class_name(c), networks);
                for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                        for (size_t i = 0; r >= 0 && i < list->sets[c][f].count; i++) {
                                const struct cidr_range *range = &list->sets[c][f].items[i];
                                const struct cidr cidr = { f, range->first, range->last };

                                r = json_append(networks, json_object_new_string(cidr_format(&cidr, text)));
                        }
        }
        return r;
}

static int add_info(const struct service *service, json_object *info)
{
        const struct filter_state *state = &service->filter->state;
        int r;

        r = json_set_string(info, "phase", phase_names[filter_phase(service->filter)]);
        if (r >= 0)
                r = json_set_integer(info, "generation", state->generation);
        if (r >= 0)
                r = json_set_string(info, "confirmedList", state->confirmed[0] ? state->confirmed : NULL);
        if (r >= 0)
                r = json_set_string(info, "candidateList", state->candidate[0] ? state->candidate : NULL);
        if (r >= 0)
                r = json_set_string(info, "otherDroppingChains", service->filter->table.other_drops);
        if (r >= 0)
                r = json_set_string(info, "lastForeignWriter", service->writer[0] ? service->writer : NULL);
        if (r >= 0)
                r = add_automatic(service, info);
        return r < 0 ? r : add_refused(service, info);
}

int service_report(struct plugin_context *ctx, struct report *report)
{
        const struct service *service = ctx->userdata;
        int r;

        if (!service)
                return 0;
        report->info = json_object_new_object();
        if (!report->info)
                return -ENOMEM;
        r = add_info(service, report->info);
        if (r >= 0)
                r = add_counters(service, report->metrics);
        return r < 0 ? r : add_gauges(service, report->metrics);
}
