/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The few of etcd's own metrics that tell of its health, out of its page of some thousand lines. */

#include <stddef.h>
#include <stdint.h>

#define ETCD_BUCKETS_MAX 24

/* A Prometheus histogram: cumulative counts below each bound, the last bound is infinite. */
struct etcd_histogram {
        double bounds[ETCD_BUCKETS_MAX], counts[ETCD_BUCKETS_MAX];
        size_t count;
};

struct etcd_metrics {
        /* NAN: not on the page */
        double database_bytes, database_in_use_bytes, quota_bytes, has_leader, leader_changes;
        struct etcd_histogram wal_fsync, backend_commit;
};

/* Reads a page in the text format; lines that are not understood are passed over. */
void etcd_metrics_parse(const char *page, struct etcd_metrics *ret);

/* The quantile of what was observed after `before` (empty, or of an etcd that has restarted since: of all),
 * linear inside a bucket, as Prometheus' histogram_quantile; NAN: nothing was observed. */
double etcd_histogram_quantile(const struct etcd_histogram *before, const struct etcd_histogram *now,
                               double quantile);
