/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as etcd's page of metrics: what is found is a number, a histogram's bounds rise, its quantile lies
 * within them. */

#include <string.h>

#include "../../plugins/node-health/etcd-metrics.c"
#include "fuzz.h"

static void check_histogram(const struct etcd_histogram *histogram)
{
        static const struct etcd_histogram none = {};
        double quantile = etcd_histogram_quantile(&none, histogram, 0.99);

        for (size_t i = 1; i < histogram->count; i++)
                PROMISE(histogram->bounds[i] > histogram->bounds[i - 1]);
        PROMISE(isnan(quantile) || isfinite(quantile));
        PROMISE(isnan(etcd_histogram_quantile(histogram, histogram, 0.5)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *page = strndup((const char *)data, size);
        struct etcd_metrics metrics;

        PROMISE(page);
        etcd_metrics_parse(page, &metrics);
        PROMISE(!isinf(metrics.database_bytes) && !isinf(metrics.has_leader));
        check_histogram(&metrics.wal_fsync);
        check_histogram(&metrics.backend_commit);
        free(page);
        return 0;
}
