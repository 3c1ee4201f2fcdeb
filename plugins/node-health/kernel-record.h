/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg):
 * "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT\n KEY=VALUE\n". */

#include <stdint.h>

#define KERNEL_RECORD_MAX 8192 /* the kernel's own limit for one record (CONSOLE_EXT_LOG_MAX, 5.15) */

struct kernel_record {
        unsigned facility; /* 0: the kernel itself, which a writer of /dev/kmsg cannot claim to be */
        uint64_t sequence;
        uint64_t usec;    /* since boot, CLOCK_MONOTONIC */
        const char *text; /* printable ASCII, one line; within the record */
};

/* Parses a NUL-terminated record, which it changes: the text is ended and cleaned. Returns 0, or -EBADMSG for
 * what is not of that form. */
int kernel_record_parse(char *record, struct kernel_record *ret);
