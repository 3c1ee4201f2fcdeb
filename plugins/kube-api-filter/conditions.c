/* SPDX-License-Identifier: Apache-2.0 */

/* What the filter reports of itself. */

#include "quantity.h"
#include "ruleset.h"
#include "service.h"
#include "timestamp.h"

#ifndef OBSERVE_PAUSE_USEC
#define OBSERVE_PAUSE_USEC USEC_PER_MIN
#endif

static void set_ready_in_force(struct service *service)
{
        struct plugin_context *ctx = service->ctx;
        const struct filter_list *list = service->filter->current ? service->filter->current->list : NULL;
        const char *others = service->filter->table.other_drops;

        if (list && list->audit)
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_TRUE, "OnlyCounting",
                                     "mode is audit: sources that are on no list are counted and let in");
        else
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_TRUE, "ListInForce",
                                     "only listed sources are let in: %zu IPv4 and %zu IPv6 ranges%s%s",
                                     list ? filter_list_count(list, IP_V4) : 0,
                                     list ? filter_list_count(list, IP_V6) : 0,
                                     others ? "; what these do not let in is dropped, too: " : "",
                                     others ? others : "");
}

static const char *in_force(const struct service *service)
{
        return service->filter->state.confirmed[0] ? "the list before is in force" : "nobody is shut out yet";
}

void service_set_ready(struct service *service)
{
        struct plugin_context *ctx = service->ctx;
        const struct filter_state *state = &service->filter->state;

        if (state->disabled_until_usec > now_boottime_usec()) {
                plugin_set_condition(
                        ctx, CONDITION_READY, CONDITION_FALSE, "SwitchedOff",
                        "everyone is let in, by command; `capi-node kube-api-filter enable` ends it");
                return;
        }
        if (service->fighting) {
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE, "AnotherWriter",
                                     "%s keeps changing the table capi_node_agent; stop it from doing so",
                                     service->writer);
                return;
        }
        switch (filter_phase(service->filter)) {
        case FILTER_CONFIRMED:
                set_ready_in_force(service);
                break;
        case FILTER_TRIAL:
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE, "AwaitingConfirmation",
                                     "the new list is on trial: %s%s",
                                     service->missing ? "not heard of yet: " : "",
                                     service->missing  ? service->missing
                                     : service->answer ? service->answer
                                                       : "the API was not asked yet");
                break;
        case FILTER_REJECTED:
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE, "RolledBack",
                                     "the new list was taken back: %s; %s; change it, or `capi-node "
                                     "kube-api-filter apply`",
                                     state->rejected_because ? state->rejected_because : "not confirmed",
                                     in_force(service));
                break;
        case FILTER_WANTED:
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE,
                                     service->refusal ? "WouldCutOff" : "AwaitingAPI", "%s; %s",
                                     service->refusal  ? service->refusal
                                     : service->answer ? service->answer
                                                       : "the API has not answered yet",
                                     in_force(service));
                break;
        }
}

/* Others' chains come and go without a change of this table. */
static void observe_others(struct filter *filter)
{
        _cleanup_table_ table = {};

        if (table_read(filter->netlink, &table) < 0)
                return;
        free(filter->table.other_drops);
        filter->table.other_drops = TAKE_PTR(table.other_drops);
}

void service_observe(struct service *service)
{
        struct table_elements sources[IP_FAMILIES] = {};
        _cleanup_node_networks_ networks = {};
        uint64_t now = now_boottime_usec();
        char name[SET_NAME_SIZE];
        int r;

        if (now < service->next_observation_usec)
                return;
        service->next_observation_usec = now + OBSERVE_PAUSE_USEC;
        observe_others(service->filter);
        r = node_networks_read(&networks);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                r = table_read_elements(service->filter->netlink, family_suffix(RULESET_SOURCES, f, name), f,
                                        &sources[f]);
        if (r >= 0)
                service->effectiveness =
                        effectiveness_judge(sources, &networks, now - service->observing_since_usec);
        for (size_t f = 0; f < IP_FAMILIES; f++)
                table_elements_clear(&sources[f]);
        switch (service->effectiveness) {
        case EFFECTIVENESS_UNKNOWN:
                plugin_set_condition(
                        service->ctx, CONDITION_EFFECTIVE, CONDITION_UNKNOWN, "TooFewConnections",
                        "too few connections were seen to tell whether clients' addresses arrive");
                break;
        case EFFECTIVENESS_HIDDEN:
                plugin_set_condition(
                        service->ctx, CONDITION_EFFECTIVE, CONDITION_FALSE, "ClientAddressHidden",
                        "every connection comes from a few addresses of this node's own networks, as "
                        "behind Octavia's amphora: this filter then filters nothing; use the load "
                        "balancer's allowed_cidrs (OpenStackCluster: apiServerLoadBalancer.allowedCIDRs)");
                break;
        case EFFECTIVENESS_SEEN:
                plugin_set_condition(service->ctx, CONDITION_EFFECTIVE, CONDITION_TRUE, "ClientAddressesSeen",
                                     "connections arrive with their clients' addresses");
                break;
        }
}
