/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One line on a terminal that says how far long work is: bytes, rate, and what is left of the time. Nothing
 * where no person looks. All zeros is one that was not started and shows nothing. */

#include <stdbool.h>
#include <stdint.h>

#include "interrupt.h"

struct progress {
        bool enabled;
        const char *what;
        uint64_t started_usec, shown_usec; /* CLOCK_BOOTTIME */
};

/* what: "Receiving"; borrowed until the end. Standard error is looked at for a terminal. */
void progress_start(struct progress *progress, const char *what);
/* total 0: not known. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress); /* clears the line */

/* For work that tells how far it is, and that nobody interrupts. */
struct interrupt progress_interrupt(struct progress *progress);

/* The line without its terminal's control, cut to `columns`; for progress_show. */
#define PROGRESS_LINE_MAX 256
void progress_format(const char *what, uint64_t done, uint64_t total, uint64_t elapsed_usec, unsigned columns,
                     char ret[static PROGRESS_LINE_MAX]);
