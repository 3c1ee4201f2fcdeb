/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The database taken out of its stream or archive, for the walk, which needs it in any order. A file without
 * a name, so that nothing is left of it however the program ends; short-lived, so that much of it never gets
 * to the disk; and only where room is plenty, for a copy without it is still proven by its hashes. */

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct scratch {
        int fd;
        uint64_t size; /* written so far */
        uint64_t room; /* that it asked for */
        int error;     /* why there is none (any more); 0: it can be read */
};
#define SCRATCH_NONE         \
        {                    \
                .fd = -EBADF \
        }

/* Makes it in the first directory that has `room` bytes, and a tenth of its file system besides: kubelet
 * begins to evict there. The list ends with NULL. Failure is only remembered: -ENOSPC, or -errno of the first
 * directory. */
void scratch_open(struct scratch *scratch, const char *const *directories, uint64_t room);
/* Does nothing where there is an error; on a new one the file goes at once. */
void scratch_write(struct scratch *scratch, const void *data, size_t size);
void scratch_close(struct scratch *scratch);

/* The error as a failure for a person (DatabaseNotWalked). */
void scratch_explain(const struct scratch *scratch, struct failure *failure);
