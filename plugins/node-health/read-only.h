/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the file systems that the node needs were made read-only, as the kernel does after an error. */

#include <stdbool.h>

#include "check.h"

/* /proc/self/mountinfo as it was a moment ago, up to what is looked for in it. All zero: not read. */
struct mount_list {
        char *mountinfo;
        uint64_t read_usec; /* CLOCK_BOOTTIME */
        bool open;
        int fd; /* polls as changed when something was mounted, moved or unmounted since it was asked last */
        size_t lines; /* while that has not happened, all that is looked for is in so many of the first lines
                       */
};
void mount_list_clear(struct mount_list *list);

int read_only_root_start(struct check_run *run);
int read_only_filesystem_start(struct check_run *run);
