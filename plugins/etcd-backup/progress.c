/* SPDX-License-Identifier: Apache-2.0 */

#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "quantity.h"
#include "timestamp.h"

#define INTERVAL_USEC (100 * USEC_PER_MSEC)

void progress_start(struct progress *progress)
{
        *progress =
                (struct progress){ .enabled = isatty(STDERR_FILENO), .started_usec = now_boottime_usec() };
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
        char so_far[QUANTITY_SIZE], whole[QUANTITY_SIZE], rate_text[QUANTITY_SIZE], left[QUANTITY_SIZE];
        uint64_t now, elapsed, rate;

        if (!progress->enabled)
                return;
        now = now_boottime_usec();
        elapsed = now - progress->started_usec;
        if (now - progress->shown_usec < INTERVAL_USEC || elapsed == 0 || done == 0)
                return;

        progress->shown_usec = now;
        rate = (uint64_t)((double)done * USEC_PER_SEC / (double)elapsed);
        fprintf(stderr, "\r\033[K%s of %s, %.0f %%, %s/s, %s left", size_format_human(done, so_far),
                size_format_human(total, whole), 100.0 * (double)done / (double)total,
                size_format_human(rate, rate_text),
                duration_format_human((uint64_t)((double)(total - done) / (double)(rate ?: 1) * USEC_PER_SEC),
                                      left));
        fflush(stderr);
}

void progress_end(struct progress *progress)
{
        if (progress->shown_usec > 0)
                fputs("\r\033[K", stderr);
        progress->shown_usec = 0;
}
