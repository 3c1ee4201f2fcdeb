/* SPDX-License-Identifier: Apache-2.0 */

#include "watch.h"

#include <string.h>

#include "drill-result.h"
#include "files.h"
#include "health.h"
#include "log.h"
#include "quantity.h"

static struct backup_watch *watch_free(struct backup_watch *watch)
{
        if (!watch)
                return NULL;
        for (size_t i = 0; i < watch->n_targets; i++) {
                file_watch_free(watch->targets[i].watch);
                copies_clear(&watch->targets[i].copies);
                target_state_clear(&watch->targets[i].state);
                free(watch->targets[i].directory);
        }
        free(watch->targets);
        file_watch_free(watch->manifest_watch);
        file_watch_free(watch->kubelet_watch);
        file_watch_free(watch->last_run_watch);
        file_watch_free(watch->drill_watch);
        sd_event_source_disable_unref(watch->recheck);
        last_run_clear(&watch->last_run);
        free(watch);
        return NULL;
}
DEFINE_CLEANUP(struct backup_watch *, watch_free)

static void look_at_state(struct backup_watch *watch, struct watched_target *target)
{
        int r;

        copies_clear(&target->copies);
        target_state_clear(&target->state);
        r = target_state_load(watch->ctx->state_dir, target->target->name, &target->state);
        if (r < 0 && r != -ENOENT)
                log_error(r, "Cannot read what the last run saw at target %s", target->target->name);
        if (target->state.newest)
                (void)copies_add(&target->copies, TAKE_PTR(target->state.newest), true);
}

static void look_at_copies(struct backup_watch *watch, struct watched_target *target)
{
        struct copies copies;
        int r;

        if (!target->directory) {
                look_at_state(watch, target);
                return;
        }
        r = copies_load(target->directory, watch->config->cluster, watch->node, &copies);
        if (r < 0) {
                log_error(r, "Cannot list the copies in %s", target->directory);
                copies = (struct copies){}; /* what cannot be seen cannot be vouched for */
        }
        copies_clear(&target->copies);
        target->copies = copies;
}

static void look_at_last_run(struct backup_watch *watch)
{
        int r;

        last_run_clear(&watch->last_run);
        r = last_run_load(watch->ctx->state_dir, &watch->last_run);
        if (r < 0 && r != -ENOENT)
                log_error(r, "Cannot read %s/%s", watch->ctx->state_dir, LAST_RUN_FILE);
        watch->ran = r >= 0;
}

static void judge(struct backup_watch *watch, struct health_verdict *ret)
{
        struct present present = { .boot_seen_usec = watch->control_plane.boot.boottime_usec };
        struct health_target targets[BACKUP_TARGETS_MAX];

        moment_now(&present.now);
        for (size_t i = 0; i < watch->n_targets; i++) {
                const struct copy *newest = copies_newest(&watch->targets[i].copies);

                targets[i] = (struct health_target){ .name = watch->targets[i].target->name,
                                                     .trouble = watch->targets[i].state.failure.message };
                if (newest) {
                        targets[i].copy = newest->manifest->stored_file;
                        targets[i].age_usec = moment_age(&newest->manifest->finished, &present);
                }
        }

        health_judge(
                &(struct health_input){
                        .role = watch->control_plane.role,
                        .waited_usec = moment_age(&watch->control_plane.since, &present),
                        .max_age_usec = watch->config->max_age_usec,
                        .targets = targets,
                        .n_targets = watch->n_targets,
                        .last = watch->ran ? &watch->last_run : NULL,
                },
                ret);
}

/* How old the metric of a copy's age may be. */
#define AGE_STEP_USEC (5 * USEC_PER_MIN)

static int arm_recheck(struct backup_watch *watch, uint64_t after_usec)
{
        sd_event_source_set_time_relative(watch->recheck,
                                          after_usec < AGE_STEP_USEC ? after_usec : AGE_STEP_USEC);
        return sd_event_source_set_enabled(watch->recheck, SD_EVENT_ONESHOT);
}

/* A drill that nobody runs any more proves nothing. */
#define DRILL_AGE_MAX (62 * USEC_PER_DAY)

static void judge_drill(struct backup_watch *watch)
{
        struct present now = { .boot_seen_usec = watch->control_plane.boot.boottime_usec };
        _cleanup_drill_result_ result = {};
        int r;

        moment_now(&now.now);
        r = drill_result_load(watch->ctx->state_dir, &result);
        /* A warning until the first drill would make every new node Degraded for a week. */
        if (watch->control_plane.role != ROLE_CONTROL_PLANE ||
            (r == -ENOENT && moment_age(&watch->control_plane.since, &now) < DRILL_AGE_MAX))
                plugin_drop_condition(watch->ctx, CONDITION_ETCD_RESTORE);
        else if (r < 0)
                plugin_set_condition(
                        watch->ctx, CONDITION_ETCD_RESTORE, CONDITION_UNKNOWN, "NoDrillYet",
                        "no copy was restored for a test yet; capi-node etcd-backup drill does it "
                        "now");
        else if (moment_age(&result.finished, &now) > DRILL_AGE_MAX)
                plugin_set_condition(watch->ctx, CONDITION_ETCD_RESTORE, CONDITION_UNKNOWN, "DrillTooOld",
                                     "the last restore drill was more than two months ago; see: systemctl "
                                     "list-timers capi-node-etcd-drill.timer");
        else
                plugin_set_condition(watch->ctx, CONDITION_ETCD_RESTORE,
                                     result.outcome == DRILL_PROVEN   ? CONDITION_TRUE
                                     : result.outcome == DRILL_FAILED ? CONDITION_FALSE
                                                                      : CONDITION_UNKNOWN,
                                     result.reason, "%s", result.message);
}

static int look(struct backup_watch *watch)
{
        struct health_verdict verdict;
        int r;

        r = control_plane_look(watch->ctx->root, watch->ctx->state_dir, &watch->control_plane);
        if (r < 0)
                return log_error(r, "Cannot tell whether this node is a control plane");
        for (size_t i = 0; i < watch->n_targets; i++)
                look_at_copies(watch, &watch->targets[i]);
        look_at_last_run(watch);

        judge(watch, &verdict);
        plugin_set_condition(watch->ctx, CONDITION_ETCD_BACKUP, verdict.status, verdict.reason, "%s",
                             verdict.message);
        judge_drill(watch);
        plugin_touch_report(watch->ctx);
        return arm_recheck(watch, verdict.recheck_usec);
}

static void on_change(void *userdata)
{
        look(userdata);
}

static int on_recheck(sd_event_source *source, uint64_t usec, void *userdata)
{
        look(userdata);
        return 0;
}

static int watch_path(struct backup_watch *watch, const char *path, struct file_watch **ret)
{
        return path ? file_watch_new(watch->ctx->event, path, FILE_WATCH_SETTLE_USEC, on_change, watch, ret)
                    : -ENOMEM;
}

static int watch_files(struct backup_watch *watch)
{
        _cleanup_free_ char *manifest = path_under(watch->ctx->root, ETCD_MANIFEST_PATH),
                            *kubelet = path_under(watch->ctx->root, KUBELET_CONF_PATH),
                            *last_run = copy_path(watch->ctx->state_dir, LAST_RUN_FILE, ""),
                            *drill = copy_path(watch->ctx->state_dir, DRILL_FILE, "");
        int r;

        r = watch_path(watch, manifest, &watch->manifest_watch);
        if (r < 0)
                return r;
        r = watch_path(watch, kubelet, &watch->kubelet_watch);
        if (r < 0)
                return r;
        r = watch_path(watch, last_run, &watch->last_run_watch);
        return r < 0 ? r : watch_path(watch, drill, &watch->drill_watch);
}

static int watch_targets(struct backup_watch *watch)
{
        const struct backup_config *config = watch->config;
        int r;

        watch->targets = calloc(config->targets.count, sizeof(*watch->targets));
        if (!watch->targets)
                return -ENOMEM;
        for (size_t i = 0; i < config->targets.count; i++) {
                struct watched_target *target = &watch->targets[watch->n_targets++];

                target->target = backup_config_target(config, i);
                if (target->target->kind != TARGET_DIRECTORY)
                        continue;
                target->directory = path_under(watch->ctx->root, target->target->path);
                r = watch_path(watch, target->directory, &target->watch);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* All that it knows, it has from files. */
bool backup_watch_rests(const struct plugin_context *ctx)
{
        return ctx->userdata != NULL;
}

int backup_watch_start(struct plugin_context *ctx, const void *config)
{
        _cleanup_(watch_freep) struct backup_watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->ctx = ctx;
        watch->config = config;
        node_name(watch->node);
        r = sd_event_add_time(ctx->event, &watch->recheck, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_SEC,
                              on_recheck, watch);
        if (r < 0)
                return r;
        r = watch_files(watch);
        if (r < 0)
                return r;
        r = watch_targets(watch);
        if (r < 0)
                return r;
        r = look(watch);
        if (r < 0)
                return r;

        watch_free(ctx->userdata);
        ctx->userdata = TAKE_PTR(watch);
        return 0;
}

void backup_watch_close(struct plugin_context *ctx)
{
        ctx->userdata = watch_free(ctx->userdata);
}
