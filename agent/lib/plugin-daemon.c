/* SPDX-License-Identifier: Apache-2.0 */

#include "plugin-daemon.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "event-loop.h"
#include "files.h"
#include "log.h"
#include "quantity.h"
#include "stand-in.h"
#include "timestamp.h"

#define VALID_FOR_USEC (2 * USEC_PER_MIN)
#define READY_LIMIT_USEC \
        (10 * USEC_PER_SEC) /* the unit's TimeoutStartSec is 20 s, and the boot waits for READY */

static void daemon_clear(struct plugin_daemon *daemon)
{
        sd_event_source_disable_unref(daemon->report_now);
        sd_event_source_disable_unref(daemon->refresh);
        sd_event_source_disable_unref(daemon->ready_limit);
        file_watch_free(daemon->config_watch);
        file_watch_free(daemon->other_watch);
        for (size_t i = 0; i < daemon->n_conditions; i++)
                condition_clear(&daemon->conditions[i].condition);
        free(daemon->conditions);
        free(daemon->notified);
        config_free(daemon->ctx->plugin->config, daemon->config);
        free(daemon->last_error);
}

static int on_report_now(sd_event_source *source, void *userdata)
{
        /* A report that cannot be written (disk full) is written by a later refresh; the agent sees it late
         * meanwhile. */
        (void)plugin_report_write(userdata);
        return 0;
}

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
        bool in_force;
        int r;

        r = digest_text(text, strlen(text), digest);
        in_force = daemon->resumed && strcmp(daemon->previous, digest) == 0;
        daemon->resumed = false;
        if (r >= 0 && ctx->plugin->apply && !in_force)
                r = ctx->plugin->apply(ctx, config, failure);
        if (r >= 0 && !in_force)
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
        (void)plugin_report_write(daemon);
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

static int become_ready(struct plugin_daemon *daemon)
{
        int r;

        if (daemon->ready)
                return 0;
        daemon->ready = true;
        /* It would end a rest. */
        (void)sd_event_source_set_enabled(daemon->ready_limit, SD_EVENT_OFF);
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

/* After one quiet refresh when it has been at rest before, else after two: a node that comes up has more to
 * tell soon. */
static bool may_rest(const struct plugin_daemon *daemon)
{
        const struct plugin_context *ctx = daemon->ctx;

        if (!ctx->plugin->rests || daemon->without_stand_in || !daemon->ready || !daemon->config ||
            daemon->retry || daemon->last_error || daemon->stopping)
                return false;
        for (size_t i = 0; i < daemon->n_conditions; i++)
                if (!daemon->conditions[i].set && !daemon->conditions[i].dropped)
                        return false;
        return daemon->quiet >= (daemon->was_resting ? 1 : 2) && ctx->plugin->rests(ctx);
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
        (void)plugin_report_write(daemon);
        daemon->quiet++;
        daemon->resting = may_rest(daemon);
        /* Four times within validFor. sd-event puts what may be late onto moments that all processes share,
         * so that the plugins and the agent wake a quiet machine together (for 10 s at least: each 10 s). */
        r = sd_event_source_set_time_relative(source, plugin_valid_for(daemon) / 6);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(source, plugin_valid_for(daemon) / 12);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        return reconcile(userdata, true);
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

static int watch_other(struct plugin_daemon *daemon)
{
        struct plugin_context *ctx = daemon->ctx;
        _cleanup_free_ char *path = NULL;

        if (!ctx->plugin->also_for)
                return 0;
        path = path_under(ctx->root, ctx->plugin->also_for);
        return path ? file_watch_new(ctx->event, path, FILE_WATCH_SETTLE_USEC, on_config_changed, daemon,
                                     &daemon->other_watch)
                    : -ENOMEM;
}

static int daemon_open(struct plugin_daemon *daemon)
{
        struct plugin_context *ctx = daemon->ctx;
        int r;

        r = make_directories(ctx);
        if (r < 0)
                return r;
        r = plugin_conditions_make(daemon);
        if (r < 0)
                return r;
        /* A stop never undoes (DESIGN rule 4). */
        r = event_loop_open(on_hangup, daemon, &ctx->event);
        if (r < 0)
                return r;
        r = event_loop_add_later(ctx->event, on_report_now, daemon, &daemon->report_now);
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
        r = file_watch_new(ctx->event, ctx->config_path, FILE_WATCH_SETTLE_USEC, on_config_changed, daemon,
                           &daemon->config_watch);
        return r < 0 ? r : watch_other(daemon);
}

/* Returns when there is something to do. */
static int rest(struct plugin_daemon *daemon)
{
        struct plugin_context *ctx = daemon->ctx;
        char program[PATH_MAX];
        const char *const again[] = { program, "--root", ctx->root, "daemon", PLUGIN_RESUMED, NULL };
        ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
        int r;

        daemon->resting = false;
        if (n < 0)
                return -errno;
        program[n] = '\0';
        /* Both are the stand-in's from here. */
        (void)sd_event_source_set_enabled(daemon->refresh, SD_EVENT_OFF);
        (void)sd_event_set_watchdog(ctx->event, false);
        r = stand_in_wait(ctx->event, &(struct stand_in){ .report_path = ctx->report_path,
                                                          .refresh_usec = plugin_valid_for(daemon) / 6,
                                                          .again = again });
        (void)sd_event_set_watchdog(ctx->event, true);
        (void)sd_event_source_set_enabled(daemon->refresh, SD_EVENT_ONESHOT);
        return r;
}

static int run_loop(struct plugin_daemon *daemon)
{
        sd_event *event = daemon->ctx->event;
        int r, code;

        while (sd_event_get_state(event) != SD_EVENT_FINISHED) {
                r = sd_event_run(event, UINT64_MAX);
                if (r < 0)
                        return r;
                if (!daemon->resting)
                        continue;
                r = rest(daemon);
                if (r < 0) {
                        daemon->without_stand_in = true;
                        (void)log_error(r, "Cannot rest, and stay as large as this");
                }
        }
        r = sd_event_get_exit_code(event, &code);
        return r < 0 ? r : code;
}

int plugin_daemon_run(struct plugin_context *ctx, bool resumed)
{
        _cleanup_(daemon_clear) struct plugin_daemon daemon = { .ctx = ctx,
                                                                .resumed = resumed,
                                                                .was_resting = resumed };
        int r;

        ctx->daemon = &daemon;
        r = daemon_open(&daemon);
        if (r < 0) {
                (void)log_error(r, "Cannot start");
                return EXIT_UNHEALTHY;
        }

        r = reconcile(&daemon, true);
        if (r >= 0)
                r = become_ready(&daemon);
        if (r >= 0)
                r = run_loop(&daemon);
        (void)sd_notify(false, "STOPPING=1");
        ctx->daemon = NULL;
        if (r < 0) {
                (void)log_error(r, "The event loop failed");
                return EXIT_UNHEALTHY;
        }
        return r;
}
