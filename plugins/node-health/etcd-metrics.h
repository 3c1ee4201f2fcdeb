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

/* A page in the text format as it comes: of 150 KB nothing is kept but these. Lines that are not understood
 * are passed over. */
struct etcd_page {
        struct etcd_metrics metrics; /* complete behind etcd_page_end */
        char line[256];              /* the beginning of one whose end has not come yet; ours are shorter */
        size_t length;
        size_t size; /* of all that came */
};
void etcd_page_begin(struct etcd_page *page);
void etcd_page_feed(struct etcd_page *page, const char *data, size_t size);
void etcd_page_end(struct etcd_page *page);

/* The quantile of what was observed after `before` (empty, or of an etcd that has restarted since: of all),
 * linear inside a bucket, as Prometheus' histogram_quantile; NAN: nothing was observed. */
double etcd_histogram_quantile(const struct etcd_histogram *before, const struct etcd_histogram *now,
                               double quantile);
