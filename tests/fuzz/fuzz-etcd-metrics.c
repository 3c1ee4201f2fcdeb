/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as etcd's page of metrics: what is found is a number, a histogram's bounds rise, its quantile lies
 * within them; and it is the same in whatever pieces the page comes. */

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

static void read_in_pieces(const char *data, size_t size, size_t piece, struct etcd_page *page)
{
        /* All of it, with what padding and bounds beyond the count it has. */
        memset(page, 0, sizeof(*page));
        etcd_page_begin(page);
        for (size_t at = 0; at < size; at += piece)
                etcd_page_feed(page, data + at, size - at < piece ? size - at : piece);
        etcd_page_end(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct etcd_page page, pieces;

        read_in_pieces((const char *)data, size, size + 1, &page);
        PROMISE(!isinf(page.metrics.database_bytes) && !isinf(page.metrics.has_leader));
        check_histogram(&page.metrics.wal_fsync);
        check_histogram(&page.metrics.backend_commit);
        read_in_pieces((const char *)data, size, 1 + (size > 0 ? data[0] : 0), &pieces);
        PROMISE(memcmp(&page.metrics, &pieces.metrics, sizeof(page.metrics)) == 0);
        return 0;
}
