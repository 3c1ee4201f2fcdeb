/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd-metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

static const struct {
        const char *name;
        size_t offset;
} gauges[] = {
        { "etcd_mvcc_db_total_size_in_bytes ", offsetof(struct etcd_metrics, database_bytes) },
        { "etcd_mvcc_db_total_size_in_use_in_bytes ", offsetof(struct etcd_metrics, database_in_use_bytes) },
        { "etcd_server_quota_backend_bytes ", offsetof(struct etcd_metrics, quota_bytes) },
        { "etcd_server_has_leader ", offsetof(struct etcd_metrics, has_leader) },
        { "etcd_server_leader_changes_seen_total ", offsetof(struct etcd_metrics, leader_changes) },
};

static const struct {
        const char *name;
        size_t offset;
} histograms[] = {
        { "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"", offsetof(struct etcd_metrics, wal_fsync) },
        { "etcd_disk_backend_commit_duration_seconds_bucket{le=\"",
          offsetof(struct etcd_metrics, backend_commit) },
};

static void read_bucket(const char *text, struct etcd_histogram *histogram)
{
        double bound, count;
        char *end;

        bound = strtod(text, &end); /* also "+Inf" */
        if (end == text || strncmp(end, "\"} ", 3) != 0 || histogram->count == ETCD_BUCKETS_MAX)
                return;
        text = end + 3;
        count = strtod(text, &end);
        if (end == text || isnan(bound) || !isfinite(count))
                return;
        if (histogram->count > 0 && bound <= histogram->bounds[histogram->count - 1])
                return;
        histogram->bounds[histogram->count] = bound;
        histogram->counts[histogram->count++] = count;
}

static void read_line(const char *line, struct etcd_metrics *metrics)
{
        for (size_t i = 0; i < ELEMENTS(gauges); i++) {
                size_t length = strlen(gauges[i].name);
                double value;
                char *end;

                if (strncmp(line, gauges[i].name, length) != 0)
                        continue;
                value = strtod(line + length, &end);
                if (end > line + length && isfinite(value))
                        *(double *)(void *)((char *)metrics + gauges[i].offset) = value;
                return;
        }
        for (size_t i = 0; i < ELEMENTS(histograms); i++)
                if (strncmp(line, histograms[i].name, strlen(histograms[i].name)) == 0)
                        read_bucket(line + strlen(histograms[i].name),
                                    (void *)((char *)metrics + histograms[i].offset));
}

void etcd_page_begin(struct etcd_page *page)
{
        page->metrics = (struct etcd_metrics){ NAN, NAN, NAN, NAN, NAN, {}, {} };
        page->length = page->size = 0;
}

/* What does not fit is cut off: such a line is none of ours. */
static void keep(struct etcd_page *page, const char *data, size_t size)
{
        size_t room = sizeof(page->line) - 1 - page->length;

        size = size < room ? size : room;
        memcpy(page->line + page->length, data, size);
        page->length += size;
}

void etcd_page_end(struct etcd_page *page)
{
        page->line[page->length] = '\0';
        if (strncmp(page->line, "etcd_", 5) == 0)
                read_line(page->line, &page->metrics);
        page->length = 0;
}

void etcd_page_feed(struct etcd_page *page, const char *data, size_t size)
{
        const char *end = data + size, *newline;

        page->size += size;
        for (; (newline = memchr(data, '\n', (size_t)(end - data))); data = newline + 1) {
                /* Most lines are comments, and of others. */
                if (page->length == 0 && *data != 'e')
                        continue;
                keep(page, data, (size_t)(newline - data));
                etcd_page_end(page);
        }
        keep(page, data, (size_t)(end - data));
}

static bool same_bounds(const struct etcd_histogram *a, const struct etcd_histogram *b)
{
        return a->count == b->count && memcmp(a->bounds, b->bounds, a->count * sizeof(a->bounds[0])) == 0;
}

/* What was counted up to a bound since before. */
static double counted(const struct etcd_histogram *before, const struct etcd_histogram *now, size_t i)
{
        return now->counts[i] - (before ? before->counts[i] : 0);
}

double etcd_histogram_quantile(const struct etcd_histogram *before, const struct etcd_histogram *now,
                               double quantile)
{
        double total, rank, below = 0, bound_below = 0;

        if (now->count < 2 || isfinite(now->bounds[now->count - 1]))
                return NAN;
        if (!same_bounds(before, now) || before->counts[now->count - 1] > now->counts[now->count - 1])
                before = NULL;
        total = counted(before, now, now->count - 1);
        if (!(total > 0))
                return NAN;
        rank = quantile * total;
        for (size_t i = 0; i < now->count - 1; i++) {
                double up_to = counted(before, now, i);

                if (up_to >= rank && up_to > below)
                        return bound_below +
                               (now->bounds[i] - bound_below) * (rank - below) / (up_to - below);
                below = up_to;
                bound_below = now->bounds[i];
        }
        return bound_below; /* beyond the last finite bound: at least that */
}
