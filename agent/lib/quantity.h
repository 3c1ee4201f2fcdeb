/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Durations "90s" "5m" "6h" "1d" "2w" (and "250ms", "10us"), sizes "512M" "10G" (binary units; "512B"),
 * percentages "5%" "2.5%". */

#include <stdint.h>

#include "cleanup.h"

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MIN  (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MIN)
#define USEC_PER_DAY  (24 * USEC_PER_HOUR)

/* Each parser returns 0, -EINVAL for a text that is not of the form, or -ERANGE for one that does not fit. */
int duration_parse(const char *text, uint64_t *ret_usec);
int size_parse(const char *text, uint64_t *ret_bytes);
int percent_parse(const char *text, double *ret_fraction); /* "5%" is 0.05; 0 % to 100 % */

/* Reads the digits at *text, of base 10 or 16 (in lower case), without sign or space; *text then points
 * behind them, also for -ERANGE. */
int digits_parse(const char **text, unsigned base, uint64_t *ret);

/* Writes the shortest exact form: "90s", "2h", "512M"; buffers of QUANTITY_SIZE suffice. */
#define QUANTITY_SIZE 32
char *duration_format(uint64_t usec, char buffer[static QUANTITY_SIZE]);
char *size_format(uint64_t bytes, char buffer[static QUANTITY_SIZE]);
/* For people: two significant parts of a duration ("2h 5m"), three digits of a size ("1.13 GiB"). */
char *duration_format_human(uint64_t usec, char buffer[static QUANTITY_SIZE]);
char *size_format_human(uint64_t bytes, char buffer[static QUANTITY_SIZE]);
