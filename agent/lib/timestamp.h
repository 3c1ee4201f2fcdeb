/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Points in time: CLOCK_BOOTTIME inside (it counts suspend and cannot be set), RFC 3339 UTC with milliseconds
 * outside. */

#include <stdint.h>

#define TIMESTAMP_SIZE 32

uint64_t now_boottime_usec(void);
uint64_t now_realtime_usec(void);

/* "2026-11-21T10:00:00.123Z" (RFC 3339). Years 1970 to 9999. */
char *timestamp_format(uint64_t realtime_usec, char buffer[static TIMESTAMP_SIZE]);

/* Accepts RFC 3339 in UTC ("Z") with or without a fraction. Returns 0 or -EINVAL. */
int timestamp_parse(const char *text, uint64_t *ret_realtime_usec);

/* The kernel's boot id as 36 characters (/proc/sys/kernel/random/boot_id); read once, then remembered.
 * Returns an empty string where it cannot be read. */
const char *boot_id(void);
