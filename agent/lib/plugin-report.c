/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "metric-text.h"
#include "metric.h"
#include "plugin-daemon.h"
#include "quantity.h"
#include "resident-memory.h"
#include "timestamp.h"

#define VALID_FOR_USEC (2 * USEC_PER_MIN)

uint64_t plugin_valid_for(const struct plugin_daemon *daemon)
{
        return daemon->ctx->plugin->valid_for_usec ? daemon->ctx->plugin->valid_for_usec : VALID_FOR_USEC;
}

static struct reported_condition *find_condition(struct plugin_daemon *daemon, const char *type)
{
        for (size_t i = 0; i < daemon->n_conditions; i++)
                if (strcmp(daemon->conditions[i].condition.type, type) == 0)
                        return &daemon->conditions[i];
        return NULL;
}

static void notify_status(struct plugin_daemon *daemon)
{
        char text[1024];
        int n;

        n = snprintf(text, sizeof(text), "STATUS=%s",
                     daemon->last_error           ? daemon->last_error
                     : daemon->applied[0] != '\0' ? "In force"
                                                  : "No configuration in force");
        for (size_t i = 0; i < daemon->n_conditions && n > 0 && (size_t)n < sizeof(text); i++) {
                const struct reported_condition *c = &daemon->conditions[i];

                if (!c->dropped && c->set)
                        n += snprintf(text + n, sizeof(text) - (size_t)n, "; %s=%s %s", c->condition.type,
                                      condition_status_name(c->condition.status), c->condition.reason);
        }
        /* It is mostly what it was, and a datagram takes eleven system calls. */
        if (daemon->notified && strcmp(daemon->notified, text) == 0)
                return;
        free(daemon->notified);
        daemon->notified = sd_notify(false, text) < 0 ? NULL : strdup(text);
}

static int add_conditions(struct plugin_daemon *daemon, struct report *report)
{
        report->conditions = calloc(daemon->n_conditions + 1, sizeof(*report->conditions));
        if (!report->conditions)
                return -ENOMEM;
        for (size_t i = 0; i < daemon->n_conditions; i++) {
                struct reported_condition *c = &daemon->conditions[i];
                struct condition *copy = &report->conditions[report->n_conditions];

                if (c->dropped)
                        continue;
                if (!c->set && condition_set(&c->condition, CONDITION_UNKNOWN, "NotCheckedYet",
                                             "not checked since the plugin started", now_realtime_usec()) < 0)
                        return -ENOMEM;
                *copy = c->condition;
                copy->type = strdup(c->condition.type);
                copy->reason = strdup(c->condition.reason);
                copy->message = strdup(c->condition.message);
                report->n_conditions++;
                if (!copy->type || !copy->reason || !copy->message)
                        return -ENOMEM;
        }
        return 0;
}

static int make_report(struct plugin_daemon *daemon, struct report **ret)
{
        _cleanup_(report_freep) struct report *report = NULL;
        struct plugin_context *ctx = daemon->ctx;
        int r;

        r = report_new(ctx->plugin->name, &report);
        if (r < 0)
                return r;
        json_object_put(report->metrics);
        report->metrics = metric_text_array();
        if (!report->metrics)
                return -ENOMEM;
        report->pid = getpid();
        report->generated_usec = now_realtime_usec();
        report->valid_for_usec = plugin_valid_for(daemon);
        report->applied_usec = daemon->applied_usec;
        report->last_error_usec = daemon->last_error ? daemon->last_error_usec : 0;
        if ((daemon->desired[0] && !(report->desired = strdup(daemon->desired))) ||
            (daemon->applied[0] && !(report->applied = strdup(daemon->applied))) ||
            (daemon->last_error && !(report->last_error = strdup(daemon->last_error))))
                return -ENOMEM;
        r = add_conditions(daemon, report);
        if (r < 0)
                return r;
        if (daemon->config && ctx->plugin->report) {
                r = ctx->plugin->report(ctx, report);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(report);
        return 0;
}

/* A restarted plugin has checked nothing yet, while the report of the process before it is still within its
 * time: that one is left alone until every condition is known again or its time is over. So a restart neither
 * shows Unknown for a moment, nor does a crash loop renew a report that nobody checked. */
static bool hold_report(struct plugin_daemon *daemon)
{
        if (daemon->last_error || now_boottime_usec() >= daemon->hold_until_usec)
                return false;
        for (size_t i = 0; i < daemon->n_conditions; i++)
                if (!daemon->conditions[i].set && !daemon->conditions[i].dropped)
                        return true;
        return false;
}

static int write_report(struct plugin_daemon *daemon)
{
        _cleanup_(report_freep) struct report *report = NULL;
        int r;

        r = make_report(daemon, &report);
        if (r < 0)
                return log_error(r, "Cannot make the report");
        r = report_save(report, daemon->ctx->report_path);
        if (r < 0)
                return log_error(r, "Cannot write %s", daemon->ctx->report_path);
        notify_status(daemon);
        return 0;
}

int plugin_report_write(struct plugin_daemon *daemon)
{
        int r;

        daemon->written_usec = now_boottime_usec();
        if (!daemon->stopping && hold_report(daemon))
                return 0;
        r = write_report(daemon);
        /* Of the report, and of what was looked at for it. */
        resident_memory_release();
        return r;
}

void plugin_touch_report(struct plugin_context *ctx)
{
        if (!ctx->daemon)
                return;
        ctx->daemon->quiet = 0;
        (void)sd_event_source_set_enabled(ctx->daemon->report_now, SD_EVENT_ONESHOT);
}

void plugin_renew_report(struct plugin_context *ctx)
{
        struct plugin_daemon *daemon = ctx->daemon;
        uint64_t valid_usec = daemon ? plugin_valid_for(daemon) : 0;

        /* What else on_refresh does is not put off. */
        if (!daemon || daemon->retry || !daemon->settled ||
            now_boottime_usec() - daemon->written_usec < valid_usec / 12)
                return;
        (void)sd_event_source_set_enabled(daemon->report_now, SD_EVENT_ONESHOT);
        (void)sd_event_source_set_time_relative(daemon->refresh, valid_usec / 3);
}

uint64_t plugin_counter(const struct plugin_context *ctx, const char *metric)
{
        _cleanup_(report_freep) struct report *report = NULL;

        if (report_load(ctx->report_path, &report, NULL) < 0 || !report->boot_id ||
            strcmp(report->boot_id, boot_id()) != 0)
                return 0;
        return metric_counter(report->metrics, metric);
}

static void log_condition(const struct condition *condition)
{
        log_message(condition_healthy(condition) == 1 ? LOG_NOTICE : LOG_WARNING, MESSAGE_CONDITION_CHANGED,
                    "%s is %s (%s): %s", condition->type, condition_status_name(condition->status),
                    condition->reason, condition->message);
}

void plugin_set_condition(struct plugin_context *ctx, const char *type, enum condition_status status,
                          const char *reason, const char *format, ...)
{
        struct reported_condition *c = ctx->daemon ? find_condition(ctx->daemon, type) : NULL;
        _cleanup_free_ char *message = NULL;
        bool transition;
        va_list arguments;
        int r;

        if (!c)
                return;
        va_start(arguments, format);
        r = vasprintf(&message, format, arguments);
        va_end(arguments);
        if (r < 0) {
                message = NULL;
                return;
        }
        transition = c->condition.status != status || !c->condition.reason ||
                     strcmp(c->condition.reason, reason) != 0;
        r = condition_set(&c->condition, status, reason, message, now_realtime_usec());
        if (r < 0)
                return;
        if (r > 0 || !c->set || c->dropped)
                plugin_touch_report(ctx);
        c->set = true;
        c->dropped = false;
        if (transition)
                log_condition(&c->condition);
}

void plugin_drop_condition(struct plugin_context *ctx, const char *type)
{
        struct reported_condition *c = ctx->daemon ? find_condition(ctx->daemon, type) : NULL;

        if (!c || c->dropped)
                return;
        c->dropped = true;
        plugin_touch_report(ctx);
}

/* What the process before this one reported in this boot: statuses and times to carry on from. */
static void carry_over(struct plugin_daemon *daemon)
{
        _cleanup_(report_freep) struct report *report = NULL;
        uint64_t now = now_realtime_usec(), age;

        if (report_load(daemon->ctx->report_path, &report, NULL) < 0 || !report->boot_id ||
            strcmp(report->boot_id, boot_id()) != 0)
                return;
        if (report->applied) {
                daemon->previous_usec = report->applied_usec;
                (void)snprintf(daemon->previous, sizeof(daemon->previous), "%s", report->applied);
        }
        for (size_t i = 0; i < report->n_conditions; i++) {
                struct reported_condition *c = find_condition(daemon, report->conditions[i].type);

                if (!c)
                        continue;
                free(c->condition.reason);
                free(c->condition.message);
                c->condition.status = report->conditions[i].status;
                c->condition.transition_usec = report->conditions[i].transition_usec;
                c->condition.reason = TAKE_PTR(report->conditions[i].reason);
                c->condition.message = TAKE_PTR(report->conditions[i].message);
        }
        age = now > report->generated_usec ? now - report->generated_usec : 0;
        if (report->n_conditions > 0 && age < report->valid_for_usec)
                daemon->hold_until_usec = now_boottime_usec() + report->valid_for_usec - age;
}

int plugin_conditions_make(struct plugin_daemon *daemon)
{
        const struct condition_type *types = daemon->ctx->plugin->conditions;
        size_t n = 0;

        while (types && types[n].type)
                n++;
        daemon->conditions = calloc(n + 1, sizeof(*daemon->conditions));
        if (!daemon->conditions)
                return -ENOMEM;
        for (; daemon->n_conditions < n; daemon->n_conditions++) {
                struct condition *condition = &daemon->conditions[daemon->n_conditions].condition;

                condition->type = strdup(types[daemon->n_conditions].type);
                if (!condition->type)
                        return -ENOMEM;
                condition->severity = types[daemon->n_conditions].severity;
                condition->good_when_false = types[daemon->n_conditions].good_when_false;
        }
        carry_over(daemon);
        return 0;
}
