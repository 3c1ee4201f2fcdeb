/* SPDX-License-Identifier: Apache-2.0 */

#include "clock.h"

#include <math.h>
#include <sys/timex.h>

#include "metric.h"
#include "node.h"
#include "quantity.h"

/* maxerror, not STA_UNSYNC: chrony may leave that flag set on a good clock (node_exporter#1850, by chrony's
 * maintainer). The kernel lets maxerror grow by 500 ppm until a time server's answer sets it anew, up to 16
 * s, where it also starts at boot. */
static void judge(uint64_t error_usec, uint64_t limit_usec, struct check_result *ret)
{
        char limit[QUANTITY_SIZE];

        (void)duration_format(limit_usec, limit);
        if (error_usec >= limit_usec)
                check_result_set(
                        ret, CHECK_FAIL, "ClockNotSynchronized",
                        "the clock may be wrong by %s or more, because no time server has set it lately; "
                        "look at: timedatectl timesync-status, or chronyc tracking",
                        limit);
        else
                check_result_set(ret, CHECK_OK, "ClockSynchronized", "the clock is wrong by less than %s",
                                 limit);
        ret->value = (double)error_usec / (double)USEC_PER_SEC;
        ret->threshold = (double)limit_usec / (double)USEC_PER_SEC;
}

/* The part of an error that is known, and that the kernel is correcting now. */
static uint64_t offset_usec(const struct timex *timex)
{
        uint64_t magnitude = (uint64_t)(timex->offset < 0 ? -timex->offset : timex->offset);

        return timex->status & STA_NANO ? magnitude / 1000 : magnitude;
}

/* Only of a clock that is synchronized otherwise: then its known error is the better figure. */
static void judge_offset(uint64_t found_usec, uint64_t limit_usec, struct check_result *ret)
{
        char limit[QUANTITY_SIZE];

        if (ret->status != CHECK_OK || found_usec < limit_usec)
                return;
        check_result_set(ret, CHECK_WARN, "ClockOffsetHigh",
                         "the clock is known to be wrong by %s or more, and is being corrected; look at: "
                         "timedatectl timesync-status, or chronyc tracking",
                         duration_format(limit_usec, limit));
        ret->value = (double)found_usec / (double)USEC_PER_SEC;
        ret->threshold = (double)limit_usec / (double)USEC_PER_SEC;
}

int clock_start(struct check_run *run)
{
        struct timex timex = { .modes = 0 }; /* only read, which needs no capability */
        struct check_result result;

        run->node->clock_error_seconds = run->node->clock_offset_seconds = NAN;
        if (adjtimex(&timex) < 0)
                return -errno;
        run->node->clock_error_seconds = (double)timex.maxerror / (double)USEC_PER_SEC;
        run->node->clock_offset_seconds = (double)offset_usec(&timex) / (double)USEC_PER_SEC;
        judge((uint64_t)timex.maxerror, run->node->config->checks.clock.max_error_usec, &result);
        judge_offset(offset_usec(&timex), run->node->config->checks.clock.max_offset_usec, &result);
        check_finish(run, &result);
        return 0;
}

int clock_metrics(const struct node *node, json_object *metrics)
{
        int r;

        if (isnan(node->clock_error_seconds))
                return 0;
        r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "clock_offset_seconds",
                       "The known error of the clock, which the kernel is correcting (adjtimex offset).",
                       node->clock_offset_seconds, NULL);
        if (r < 0)
                return r;
        return metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "clock_max_error_seconds",
                          "The kernel's estimate of the clock's greatest error (adjtimex maxerror).",
                          node->clock_error_seconds, NULL);
}
