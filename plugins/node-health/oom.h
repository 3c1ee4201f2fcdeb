/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the kernel killed because memory was used up: the node's, or that of a cgroup. */

#include "check.h"

struct oom_watch {
        bool counted;       /* the kills so far are known */
        uint64_t kills;     /* since boot, of the whole node (/proc/vmstat) */
        uint64_t last_usec; /* CLOCK_BOOTTIME of the run that saw the last one; 0: none since the plugin
                               started */
        uint64_t services;  /* of the node's services alone (system.slice) */
        bool services_hit;  /* the last one was among them */
        bool services_counted;
};

int oom_start(struct check_run *run);
int oom_metrics(const struct node *node, json_object *metrics);
