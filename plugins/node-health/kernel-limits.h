/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the kernel has a limit of: connections that it tracks, processes, open files. */

#include "check.h"

struct kernel_limit {
        double used, max; /* max 0: not measured */
};

struct kernel_limits {
        struct kernel_limit conntrack, pids, files;
};

int conntrack_start(struct check_run *run);
int pids_start(struct check_run *run);
int open_files_start(struct check_run *run);
int conntrack_metrics(const struct node *node, json_object *metrics);
int pids_metrics(const struct node *node, json_object *metrics);
int open_files_metrics(const struct node *node, json_object *metrics);
