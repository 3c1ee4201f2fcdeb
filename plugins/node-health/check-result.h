/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What one run of a check found. */

#include "cleanup.h"

enum check_status { CHECK_UNKNOWN, CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check_result {
        enum check_status status;
        char reason[64];   /* CamelCase, explains itself: "KubeletNotRunning" */
        char message[512]; /* one line for a person: what, by how much, what to do */
        double value;      /* what was measured, and the limit it was held against; NAN: nothing to measure */
        double threshold;
};

/* Sets status, reason and message (cut at their sizes), and value and threshold to NAN. */
void check_result_set(struct check_result *result, enum check_status status, const char *reason,
                      const char *format, ...) _printf_(4, 5);

const char *check_status_name(enum check_status status); /* "OK", "Warn", "Fail", "Unknown" */
