/* SPDX-License-Identifier: Apache-2.0 */

#include "aggregate.h"
#include "event-loop.h"
#include "findings.h"
#include "http-probe.h"
#include "node.h"
#include "phase.h"
#include "plugin.h"
#include "scheduler.h"

/* One row for each condition: what a check names in its row, and the reason when all is well. */
static const struct condition_type conditions[] = {
        { .type = "CertificatesValid", .severity = SEVERITY_WARNING },
        { .type = "ControlPlaneReady", .severity = SEVERITY_FATAL },
        { .type = "EtcdReady", .severity = SEVERITY_FATAL },
        { .type = "KernelDeadlock", .severity = SEVERITY_FATAL, .good_when_false = true },
        { .type = "NodeServicesReady", .severity = SEVERITY_FATAL },
        { .type = "NodeStorageReady", .severity = SEVERITY_FATAL },
        { .type = "ReadonlyFilesystem", .severity = SEVERITY_FATAL, .good_when_false = true },
        {},
};
static const char *const good_reasons[] = {
        "AllCertificatesValid",    "ControlPlaneAnswers", "EtcdAnswers",
        "KernelHasNoDeadlock",     "AllServicesRunning",  "AllStorageUsable",
        "FilesystemIsNotReadOnly",
};
_Static_assert(ELEMENTS(conditions) == ELEMENTS(good_reasons) + 1, "one reason for each condition");

struct node_health {
        struct plugin_context *ctx;
        struct node node;
        struct scheduler *scheduler;
        sd_event_source *rest; /* after the report, which is written later, too */
        bool dropped[ELEMENTS(good_reasons)];
};

static void set_condition(struct node_health *health, size_t i)
{
        const char *type = conditions[i].type;
        struct verdict verdict;

        switch (aggregate(&conditions[i], good_reasons[i], scheduler_states(health->scheduler), n_checks,
                          &verdict)) {
        case AGGREGATE_NONE:
                plugin_drop_condition(health->ctx, type);
                health->dropped[i] = true;
                break;
        case AGGREGATE_PENDING:
                /* Otherwise left as it is: after a restart the loop holds the report of the process before.
                 */
                if (health->dropped[i])
                        plugin_set_condition(health->ctx, type, CONDITION_UNKNOWN, "NotCheckedYet",
                                             "its checks were switched on a moment ago");
                health->dropped[i] = false;
                break;
        case AGGREGATE_VERDICT:
                plugin_set_condition(health->ctx, type, verdict.status, verdict.reason, "%s",
                                     verdict.message);
                health->dropped[i] = false;
                break;
        }
}

static void set_conditions(struct node_health *health)
{
        for (size_t i = 0; conditions[i].type; i++)
                set_condition(health, i);
}

static void on_changed(void *userdata)
{
        struct node_health *health = userdata;

        set_conditions(health);
        plugin_touch_report(health->ctx);
}

static void on_done(void *userdata)
{
        struct node_health *health = userdata;

        plugin_renew_report(health->ctx);
        (void)sd_event_source_set_enabled(health->rest, SD_EVENT_ONESHOT);
}

static int on_rest(sd_event_source *source, void *userdata)
{
        (void)source;
        (void)userdata;
        http_probe_rest();
        return 0;
}

static int open_node(struct plugin_context *ctx, struct node_health **ret)
{
        struct node_health *health;
        int r;

        health = calloc(1, sizeof(*health));
        if (!health)
                return -ENOMEM;
        health->ctx = ctx;
        node_init(&health->node, ctx->event, ctx->root);
        r = scheduler_new(ctx->event, &health->node, checks, n_checks, on_changed, health,
                          &health->scheduler);
        if (r >= 0)
                r = event_loop_add_later(ctx->event, on_rest, NULL, &health->rest);
        if (r >= 0)
                r = sd_event_source_set_priority(health->rest, SD_EVENT_PRIORITY_IDLE + 1);
        if (r < 0) {
                scheduler_free(health->scheduler);
                free(health);
                return r;
        }
        scheduler_on_done(health->scheduler, on_done);
        *ret = health;
        return 0;
}

static int node_health_watch(struct plugin_context *ctx, const void *config)
{
        struct node_health *health = ctx->userdata;
        char node_id[NODE_ID_SIZE];
        int r;

        r = phase_node_id(ctx->root, node_id);
        if (r < 0)
                return r;
        if (!health) {
                r = open_node(ctx, &health);
                if (r < 0)
                        return r;
                ctx->userdata = health;
        }
        scheduler_pause(health->scheduler);
        node_configure(&health->node, config);
        r = scheduler_configure(health->scheduler, config, node_id);
        if (r < 0)
                return r;
        set_conditions(health);
        return 0;
}

static int node_health_report(struct plugin_context *ctx, struct report *report)
{
        struct node_health *health = ctx->userdata;

        if (!health)
                return 0;
        return findings_add(&health->node, scheduler_states(health->scheduler), n_checks, report);
}

static void node_health_close(struct plugin_context *ctx)
{
        struct node_health *health = ctx->userdata;

        scheduler_free(health->scheduler);
        sd_event_source_disable_unref(health->rest);
        node_done(&health->node);
        free(health);
}

static const struct plugin plugin = {
        .name = "node-health",
        .summary = "Check the node's services, storage and clock",
        .example = "capi-node node-health status",
        .config = &node_health_config_type,
        .conditions = conditions,
        .watch = node_health_watch,
        .report = node_health_report,
        .close = node_health_close,
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
