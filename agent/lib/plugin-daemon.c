/* SPDX-License-Identifier: Apache-2.0 */

#include "plugin-daemon.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "digest.h"
#include "file-watch.h"
#include "files.h"
#include "log.h"
#include "quantity.h"
#include "timestamp.h"

#define VALID_FOR_USEC (2 * USEC_PER_MIN)
#define READY_LIMIT_USEC \
        (10 * USEC_PER_SEC) /* the unit's TimeoutStartSec is 20 s, and the boot waits for READY */

struct reported_condition {
        struct condition condition;
        bool set;     /* by this process; until then it holds what the process before it reported */
        bool dropped; /* not reported */
};

struct plugin_daemon {
        struct plugin_context *ctx;
        struct reported_condition *conditions;
        size_t n_conditions;

        void *config;                   /* in force; NULL: none */
        char desired[SHA256_TEXT_SIZE]; /* "": no file */
        char applied[SHA256_TEXT_SIZE]; /* "": nothing */
        uint64_t applied_usec;
        char previous[SHA256_TEXT_SIZE]; /* what the process before this one had applied, and when */
        uint64_t previous_usec;
        char *last_error;
        uint64_t last_error_usec;
        bool retry; /* apply failed for a reason that may pass */

        sd_event_source *report_now, *refresh, *ready_limit;
        struct file_watch *config_watch;
        uint64_t hold_until_usec; /* CLOCK_BOOTTIME; see hold_report */
        bool ready, settled, stopping;
};

static uint64_t valid_for(const struct plugin_daemon *daemon)
{
        return daemon->ctx->plugin->valid_for_usec ? daemon->ctx->plugin->valid_for_usec : VALID_FOR_USEC;
}

static void daemon_clear(struct plugin_daemon *daemon)
{
        sd_event_source_disable_unref(daemon->report_now);
        sd_event_source_disable_unref(daemon->refresh);
        sd_event_source_disable_unref(daemon->ready_limit);
        file_watch_free(daemon->config_watch);
        for (size_t i = 0; i < daemon->n_conditions; i++)
                condition_clear(&daemon->conditions[i].condition);
        free(daemon->conditions);
        config_free(daemon->ctx->plugin->config, daemon->config);
        free(daemon->last_error);
}

static struct reported_condition *find_condition(struct plugin_daemon *daemon, const char *type)
{
        for (size_t i = 0; i < daemon->n_conditions; i++)
                if (strcmp(daemon->conditions[i].condition.type, type) == 0)
                        return &daemon->conditions[i];
        return NULL;
}

/* ---- the report ---- */

static void notify_status(const struct plugin_daemon *daemon)
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
        (void)sd_notify(false, text);
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
        report->pid = getpid();
        report->generated_usec = now_realtime_usec();
        report->valid_for_usec = valid_for(daemon);
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

        if (!daemon->stopping && hold_report(daemon))
                return 0;
        r = make_report(daemon, &report);
        if (r < 0)
                return log_error(r, "Cannot make the report");
        r = report_save(report, daemon->ctx->report_path);
        if (r < 0)
                return log_error(r, "Cannot write %s", daemon->ctx->report_path);
        notify_status(daemon);
        return 0;
}

static int on_report_now(sd_event_source *source, void *userdata)
{
        /* A report that cannot be written (disk full) is written by a later refresh; the agent sees it late
         * meanwhile. */
        (void)write_report(userdata);
        return 0;
}

void plugin_touch_report(struct plugin_context *ctx)
{
        if (ctx->daemon)
                (void)sd_event_source_set_enabled(ctx->daemon->report_now, SD_EVENT_ONESHOT);
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

/* ---- the configuration ---- */

static void set_error(struct plugin_daemon *daemon, const char *message_id, const struct failure *failure,
                      int error)
{
        const char *message = failure->message ? failure->message : strerror(-error);

        if (!daemon->last_error || strcmp(daemon->last_error, message) != 0) {
                log_message(LOG_ERR, message_id, "%s", message);
                free(daemon->last_error);
                daemon->last_error = strdup(message);
        }
        daemon->last_error_usec = now_realtime_usec();
        if (daemon->applied[0] != '\0')
                return;
        /* Nothing is in force: every condition says why. */
        for (size_t i = 0; i < daemon->n_conditions; i++)
                plugin_set_condition(daemon->ctx, daemon->conditions[i].condition.type, CONDITION_UNKNOWN,
                                     failure->reason ? failure->reason : "ApplyFailed", "%s", message);
}

static void take_config(struct plugin_daemon *daemon, void *config)
{
        void *old = daemon->config;
        int r = 0;

        daemon->config = config;
        if (daemon->ready && daemon->ctx->plugin->watch) {
                r = daemon->ctx->plugin->watch(daemon->ctx, config);
                if (r < 0)
                        (void)log_error(r, "Cannot watch what the configuration names");
        }
        config_free(daemon->ctx->plugin->config, old);
}

/* Applies one parsed configuration; takes it over. */
static int apply_config(struct plugin_daemon *daemon, const char *text, void *config, struct failure *failure)
{
        struct plugin_context *ctx = daemon->ctx;
        char digest[SHA256_TEXT_SIZE];
        int r;

        r = digest_text(text, strlen(text), digest);
        if (r >= 0 && ctx->plugin->apply)
                r = ctx->plugin->apply(ctx, config, failure);
        if (r >= 0)
                r = plugin_save_applied(ctx, text);
        if (r < 0) {
                config_free(ctx->plugin->config, config);
                return r;
        }
        if (strcmp(daemon->previous, digest) == 0) {
                daemon->applied_usec = daemon->previous_usec;
        } else if (strcmp(daemon->applied, digest) != 0) {
                daemon->applied_usec = now_realtime_usec();
                log_message(LOG_NOTICE, MESSAGE_CONFIG_APPLIED, "Applied %s (%.19s…)", ctx->config_path,
                            digest);
        }
        memcpy(daemon->applied, digest, sizeof(digest));
        daemon->previous[0] = '\0';
        take_config(daemon, config);
        return 0;
}

/* At start, when the file is not good: the last good one is in force until it is mended. */
static void apply_last_good(struct plugin_daemon *daemon)
{
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *text = NULL;
        void *config = NULL;
        int r;

        if (daemon->applied[0] != '\0')
                return;
        r = plugin_load_applied(daemon->ctx, &text, &config, &failure);
        if (r == -ENOENT)
                return;
        if (r >= 0)
                r = apply_config(daemon, text, config, &failure);
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED,
                            "The last good configuration cannot be applied either: %s",
                            failure.message ? failure.message : strerror(-r));
}

static int withdraw(struct plugin_daemon *daemon)
{
        struct plugin_context *ctx = daemon->ctx;
        _cleanup_failure_ failure = {};
        int r = 0;

        daemon->desired[0] = '\0';
        if (ctx->plugin->undo)
                r = ctx->plugin->undo(ctx, &failure);
        if (r >= 0)
                r = plugin_forget_applied(ctx);
        if (r < 0) {
                set_error(daemon, MESSAGE_APPLY_FAILED, &failure, r);
                daemon->retry = true;
                plugin_touch_report(ctx);
                return 0;
        }

        log_message(LOG_NOTICE, MESSAGE_CONFIG_WITHDRAWN, "%s is gone: undone, disabled", ctx->config_path);
        daemon->applied[0] = '\0';
        daemon->applied_usec = 0;
        free(daemon->last_error);
        daemon->last_error = NULL;
        for (size_t i = 0; i < daemon->n_conditions; i++)
                daemon->conditions[i].dropped = true;
        config_free(ctx->plugin->config, daemon->config);
        daemon->config = NULL;
        daemon->stopping = true;
        (void)write_report(daemon);
        return sd_event_exit(ctx->event, EXIT_GOOD);
}

/* Brings what is in force in line with the file: apply, keep the last good one, or withdraw. */
static int reconcile(struct plugin_daemon *daemon, bool again)
{
        struct plugin_context *ctx = daemon->ctx;
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *text = NULL;
        void *config = NULL;
        int r;

        daemon->retry = false;
        r = plugin_read_config(ctx, &text, &config, &failure);
        if (r == -ENOENT)
                return withdraw(daemon);
        /* cloud-init sets the mode after it has closed the file (DESIGN rule 4). */
        if (r == -EPERM && !daemon->settled) {
                daemon->retry = true;
                return 0;
        }
        if (text && digest_text(text, strlen(text), daemon->desired) < 0)
                return -EIO;

        if (r >= 0 && strcmp(daemon->desired, daemon->applied) == 0 && !again) {
                config_free(ctx->plugin->config, config);
        } else if (r >= 0) {
                r = apply_config(daemon, text, config, &failure);
                daemon->retry = r < 0;
                if (r < 0) {
                        set_error(daemon, MESSAGE_APPLY_FAILED, &failure, r);
                        apply_last_good(daemon);
                }
        } else {
                apply_last_good(daemon);
                set_error(daemon, MESSAGE_CONFIG_REFUSED, &failure, r);
        }
        if (r >= 0) {
                free(daemon->last_error);
                daemon->last_error = NULL;
        }
        plugin_touch_report(ctx);
        return 0;
}

static void on_config_changed(void *userdata)
{
        struct plugin_daemon *daemon = userdata;
        int r;

        daemon->settled = true;
        r = reconcile(daemon, false);
        if (r < 0)
                (void)log_error(r, "Cannot follow %s", daemon->ctx->config_path);
}

/* ---- the loop ---- */

static int become_ready(struct plugin_daemon *daemon)
{
        int r;

        if (daemon->ready)
                return 0;
        daemon->ready = true;
        (void)sd_notify(false, "READY=1");
        if (daemon->config && daemon->ctx->plugin->watch) {
                r = daemon->ctx->plugin->watch(daemon->ctx, daemon->config);
                if (r < 0)
                        return log_error(r, "Cannot watch what the configuration names");
        }
        return 0;
}

static int on_ready_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
        return become_ready(userdata);
}

static int on_refresh(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct plugin_daemon *daemon = userdata;
        int r;

        daemon->settled = true;
        if (daemon->retry) {
                r = reconcile(daemon, true);
                if (r < 0)
                        return r;
        }
        (void)write_report(daemon);
        r = sd_event_source_set_time_relative(source, valid_for(daemon) / 4);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        return reconcile(userdata, true);
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

static int make_conditions(struct plugin_daemon *daemon)
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
        return 0;
}

static int make_directories(const struct plugin_context *ctx)
{
        _cleanup_free_ char *reports = strdup(ctx->report_path);
        int r;

        if (!reports)
                return -ENOMEM;
        *strrchr(reports, '/') = '\0';
        r = directory_make(ctx->state_dir, 0700);
        if (r < 0)
                return log_error(r, "Cannot make %s", ctx->state_dir);
        r = directory_make(reports, 0755);
        if (r < 0)
                return log_error(r, "Cannot make %s", reports);
        /* What a killed process left; a failure here only leaves a small file lying. */
        (void)new_file_sweep(ctx->state_dir);
        return 0;
}

static int block_signals(void)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        (void)signal(SIGPIPE, SIG_IGN);
        return sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : 0;
}

static int daemon_open(struct plugin_daemon *daemon)
{
        struct plugin_context *ctx = daemon->ctx;
        int r;

        r = make_directories(ctx);
        if (r < 0)
                return r;
        r = make_conditions(daemon);
        if (r < 0)
                return r;
        r = block_signals();
        if (r < 0)
                return r;
        r = sd_event_default(&ctx->event);
        if (r < 0)
                return r;
        /* Handlers NULL: leave the loop with status 0. A stop never undoes (DESIGN rule 4). */
        r = sd_event_add_signal(ctx->event, NULL, SIGTERM, NULL, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(ctx->event, NULL, SIGINT, NULL, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(ctx->event, NULL, SIGHUP, on_hangup, daemon);
        if (r < 0)
                return r;
        r = sd_event_set_watchdog(ctx->event, true);
        if (r < 0)
                return r;
        r = sd_event_add_defer(ctx->event, &daemon->report_now, on_report_now, daemon);
        if (r < 0)
                return r;
        /* After all that is pending, so that changes that come together are written together. */
        r = sd_event_source_set_priority(daemon->report_now, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(daemon->report_now, SD_EVENT_OFF);
        if (r < 0)
                return r;
        /* The first one soon: it also settles a file that was refused for its mode at the start. */
        r = sd_event_add_time_relative(ctx->event, &daemon->refresh, CLOCK_BOOTTIME, FILE_WATCH_SETTLE_USEC,
                                       0, on_refresh, daemon);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(ctx->event, &daemon->ready_limit, CLOCK_BOOTTIME, READY_LIMIT_USEC, 0,
                                       on_ready_limit, daemon);
        if (r < 0)
                return r;
        return file_watch_new(ctx->event, ctx->config_path, FILE_WATCH_SETTLE_USEC, on_config_changed, daemon,
                              &daemon->config_watch);
}

int plugin_daemon_run(struct plugin_context *ctx)
{
        _cleanup_(daemon_clear) struct plugin_daemon daemon = { .ctx = ctx };
        int r;

        ctx->daemon = &daemon;
        r = daemon_open(&daemon);
        if (r < 0) {
                (void)log_error(r, "Cannot start");
                return EXIT_UNHEALTHY;
        }
        carry_over(&daemon);

        r = reconcile(&daemon, true);
        if (r >= 0)
                r = become_ready(&daemon);
        if (r >= 0)
                r = sd_event_loop(ctx->event);
        (void)sd_notify(false, "STOPPING=1");
        ctx->daemon = NULL;
        if (r < 0) {
                (void)log_error(r, "The event loop failed");
                return EXIT_UNHEALTHY;
        }
        return r;
}
