/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the file systems that the node needs were made read-only, as the kernel does after an error. */

#include "check.h"

/* /proc/self/mountinfo as it was a moment ago. All zero: not read. */
struct mount_list {
        char *mountinfo;
        uint64_t read_usec; /* CLOCK_BOOTTIME */
};
void mount_list_clear(struct mount_list *list);

int read_only_root_start(struct check_run *run);
int read_only_filesystem_start(struct check_run *run);
