/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/node-health.json. Every check has its own object under "checks", which starts with
 * `enabled`: a row of the check table finds its switch by the offset of that object. */

#include "config.h"

#define NODE_HEALTH_PATHS_MAX    32
#define NODE_HEALTH_RESTARTS_MAX 32

struct switch_config {
        bool enabled;
};

struct unit_config {
        bool enabled;
        int64_t restarts; /* so many within restart_window_usec are too many */
        uint64_t restart_window_usec;
        uint64_t start_timeout_usec;
};

struct space_config {
        bool enabled;
        double warn, fail; /* fractions that must be free */
        struct config_strings paths;
};

struct clock_config {
        bool enabled;
        uint64_t max_error_usec;
};

struct checks_config {
        struct unit_config kubelet, containerd;
        struct space_config disk_space, inodes;
        struct switch_config read_only_root;
        struct clock_config clock;
};

struct node_health_config {
        uint64_t interval_usec;
        struct checks_config checks;
};

extern const struct config_type node_health_config_type;
