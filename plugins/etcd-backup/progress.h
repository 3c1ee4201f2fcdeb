/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One line on a terminal that says how far the snapshot is; nothing where no person looks. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
        bool enabled;
        uint64_t started_usec, shown_usec; /* CLOCK_BOOTTIME */
};

void progress_start(struct progress *progress); /* standard error is looked at */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress); /* clears the line */
