/* SPDX-License-Identifier: Apache-2.0 */

#include "backup-report.h"

#include <inttypes.h>
#include <string.h>

#include "backup-metrics.h"
#include "drill-result.h"
#include "timestamp.h"
#include "watch.h"

static int add_newest(json_object *targets, const struct watched_target *target)
{
        const struct copy *newest = copies_newest(&target->copies);
        _cleanup_json_ json_object *object = NULL;
        char digest[SHA256_TEXT_SIZE], time[TIMESTAMP_SIZE];
        int r;

        if (!newest)
                return 0;
        object = json_object_new_object();
        if (!object)
                return -ENOMEM;
        r = json_set_string(object, "target", target->target->name);
        if (r < 0)
                return r;
        r = json_set_string(object, "newest", newest->manifest->stored_file);
        if (r < 0)
                return r;
        r = json_set_integer(object, "revision", newest->manifest->revision);
        if (r < 0)
                return r;
        r = json_set_string(object, "sha256",
                            strchr(digest_format(newest->manifest->stored_sha256, digest), ':') + 1);
        if (r < 0)
                return r;
        r = json_set_string(object, "finishedAt",
                            timestamp_format(newest->manifest->finished.realtime_usec, time));
        if (r < 0)
                return r;
        return json_append(targets, TAKE_PTR(object));
}

/* The last restore drill; without one there is nothing to say, and the condition says so. */
static int add_drill(json_object *info, const char *state_dir)
{
        _cleanup_drill_result_ result = {};
        json_object *drill;
        char time[TIMESTAMP_SIZE];
        int r;

        if (drill_result_load(state_dir, &result) < 0)
                return 0;
        drill = json_object_new_object();
        r = json_set(info, "drill", drill);
        if (r >= 0)
                r = json_set_string(drill, "result", drill_outcome_name(result.outcome));
        if (r >= 0)
                r = json_set_string(drill, "message", result.message);
        if (r >= 0)
                r = json_set_string(drill, "finishedAt",
                                    timestamp_format(result.finished.realtime_usec, time));
        return r;
}

static int add_info(struct report *report, const struct backup_watch *watch)
{
        _cleanup_json_ json_object *targets = json_object_new_array();
        int r;

        if (!targets)
                return -ENOMEM;
        for (size_t i = 0; i < watch->n_targets; i++) {
                r = add_newest(targets, &watch->targets[i]);
                if (r < 0)
                        return r;
        }
        report->info = json_object_new_object();
        r = report->info ? json_set(report->info, "copies", TAKE_PTR(targets)) : -ENOMEM;
        return r < 0 ? r : add_drill(report->info, watch->ctx->state_dir);
}

int backup_report(struct plugin_context *ctx, struct report *report)
{
        const struct backup_watch *watch = ctx->userdata;
        int r;

        if (!watch)
                return 0;
        if (watch->control_plane.role == ROLE_CONTROL_PLANE) {
                r = report_add_timer(report, "capi-node-etcd-snapshot", watch->config->schedule,
                                     watch->config->randomized_delay_usec);
                if (r < 0)
                        return r;
                r = report_add_timer(report, "capi-node-etcd-drill", watch->config->drill.schedule,
                                     watch->config->randomized_delay_usec);
                if (r < 0)
                        return r;
                r = backup_metrics(report->metrics, watch);
                if (r < 0)
                        return r;
        }
        return add_info(report, watch);
}
