/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The scheduler's part, for the test of a check that is linked without it: how the last run ended. */

#include "check.h"

static struct {
        bool finished, absent;
        struct check_result result;
} run_end;

void check_finish(struct check_run *run, const struct check_result *result)
{
        run_end.finished = true;
        run_end.absent = false;
        run_end.result = *result;
}

void check_finish_absent(struct check_run *run)
{
        run_end.finished = run_end.absent = true;
}
