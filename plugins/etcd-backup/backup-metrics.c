/* SPDX-License-Identifier: Apache-2.0 */

#include "backup-metrics.h"

#include "drill-result.h"
#include "metric.h"

#define PREFIX METRIC_NAME_PREFIX "etcd_backup_"

/* The first error wins, so that a list of metrics reads as one. */
struct page {
        json_object *metrics;
        int error;
};

static void gauge(struct page *page, const char *name, const char *help, double value)
{
        if (page->error >= 0)
                page->error = metric_add(page->metrics, METRIC_GAUGE, name, help, value, NULL);
}

static void counter(struct page *page, const char *name, const char *help, uint64_t value)
{
        if (page->error >= 0)
                page->error = metric_add(page->metrics, METRIC_COUNTER, name, help, (double)value, NULL);
}

static void target_gauge(struct page *page, const char *name, const char *help, double value,
                         const struct watched_target *target)
{
        if (page->error >= 0)
                page->error = metric_add(page->metrics, METRIC_GAUGE, name, help, value, "target",
                                         target->target->name, NULL);
}

static void size_gauge(struct page *page, const char *kind, uint64_t bytes,
                       const struct watched_target *target)
{
        if (page->error >= 0)
                page->error = metric_add(page->metrics, METRIC_GAUGE, PREFIX "size_bytes",
                                         "Size of the newest verified copy.", (double)bytes, "target",
                                         target->target->name, "kind", kind, NULL);
}

/* The newest whose database was read from end to end; NULL: none. */
static const struct manifest *find_walked(const struct copies *copies)
{
        for (size_t i = 0; i < copies->count; i++)
                if (copies->items[i].whole && copies->items[i].manifest->walked)
                        return copies->items[i].manifest;
        return NULL;
}

static void add_newest(struct page *page, const struct watched_target *target, const struct manifest *newest,
                       const struct present *present)
{
        const struct manifest *walked = find_walked(&target->copies);

        target_gauge(page, PREFIX "last_success_timestamp_seconds",
                     "When the newest verified copy was taken from etcd.",
                     (double)newest->finished.realtime_usec / 1e6, target);
        target_gauge(page, PREFIX "age_seconds",
                     "How old the newest verified copy is, whatever was done to the clock within this boot.",
                     (double)moment_age(&newest->finished, present) / 1e6, target);
        target_gauge(page, PREFIX "revision", "Revision up to which the newest verified copy is whole.",
                     (double)newest->revision, target);
        if (walked)
                target_gauge(page, PREFIX "verified_revision",
                             "Revision of the newest copy whose database was read from end to end.",
                             (double)walked->revision, target);
        size_gauge(page, "raw", newest->raw_size, target);
        size_gauge(page, "stored", newest->stored_size, target);
}

static void add_target(struct page *page, const struct watched_target *target, const struct present *present)
{
        const struct copy *newest = copies_newest(&target->copies);
        size_t whole = (size_t)target->state.copies;

        for (size_t i = 0; i < target->copies.count && target->directory; i++)
                whole += target->copies.items[i].whole;
        target_gauge(page, PREFIX "copies", "Whole verified copies at the target.", (double)whole, target);
        if (newest)
                add_newest(page, target, newest->manifest, present);
}

static void add_failures(struct page *page, const struct last_run *run)
{
        counter(page, PREFIX "runs_total", "Snapshot runs since the capability was set up.", run->runs);
        counter(page, PREFIX "failures_total", "Snapshot runs that failed.", run->failures);
        for (size_t i = 0; i < run->reasons.count && page->error >= 0; i++)
                page->error = metric_add(page->metrics, METRIC_COUNTER, PREFIX "failures_by_reason_total",
                                         "Snapshot runs that failed, by the reason of the last run's report.",
                                         (double)run->reasons.items[i].count, "reason",
                                         run->reasons.items[i].reason, NULL);
}

static void add_last_run(struct page *page, const struct last_run *run)
{
        gauge(page, PREFIX "last_run_success", "Whether the last run succeeded.", run->success ? 1 : 0);
        gauge(page, PREFIX "duration_seconds", "How long the last run took.",
              (double)run->duration_usec / 1e6);
        for (size_t i = 0; i < STAGE_COUNT && page->error >= 0; i++)
                page->error = metric_add(page->metrics, METRIC_GAUGE, PREFIX "stage_duration_seconds",
                                         "How long each stage of the last run took.",
                                         (double)run->stage_usec[i] / 1e6, "stage",
                                         run_stage_name((enum run_stage)i), NULL);
        gauge(page, PREFIX "retention_held",
              "Whether nothing is pruned because the clock cannot be believed.", run->held ? 1 : 0);
}

/* A drill that was skipped, as for want of room, has proven nothing and refuted nothing. */
static void add_drill(struct page *page, const char *state_dir)
{
        _cleanup_drill_result_ drill = {};

        if (drill_result_load(state_dir, &drill) < 0)
                return;
        gauge(page, PREFIX "drill_timestamp_seconds", "When the last restore drill ended.",
              (double)drill.finished.realtime_usec / 1e6);
        if (drill.outcome == DRILL_SKIPPED)
                return;
        gauge(page, PREFIX "drill_success", "Whether the last restore drill proved its copy.",
              drill.outcome == DRILL_PROVEN ? 1 : 0);
        gauge(page, PREFIX "drill_revision", "Revision of the copy that the last restore drill restored.",
              (double)drill.revision);
        if (drill.recovery_usec > 0)
                gauge(page, PREFIX "drill_recovery_seconds",
                      "How long the last restore drill took from the stored copy to an etcd that answers.",
                      (double)drill.recovery_usec / 1e6);
}

int backup_metrics(json_object *metrics, const struct backup_watch *watch)
{
        struct present present = { .boot_seen_usec = watch->control_plane.boot.boottime_usec };
        struct page page = { .metrics = metrics };

        moment_now(&present.now);
        add_failures(&page, &watch->last_run);
        if (watch->ran)
                add_last_run(&page, &watch->last_run);
        for (size_t i = 0; i < watch->n_targets; i++)
                add_target(&page, &watch->targets[i], &present);
        add_drill(&page, watch->ctx->state_dir);
        return page.error;
}
