/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/node-health.json. Every check has its own object under "checks", which starts with
 * `enabled`: a row of the check table finds its switch by the offset of that object. */

#include "config.h"

#define NODE_HEALTH_PATHS_MAX    32
#define NODE_HEALTH_RESTARTS_MAX 32
#define NODE_HEALTH_NAMES_MAX    4

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
        uint64_t max_error_usec, max_offset_usec;
};

struct paths_config {
        bool enabled;
        struct config_strings paths;
};

struct window_config {
        bool enabled;
        uint64_t window_usec; /* for so long, what happened once is told */
};

struct ratio_config {
        bool enabled;
        double warn, fail; /* fractions of a limit that are used */
};

struct pressure_config {
        bool enabled;
        double warn; /* fraction of the time */
};

struct dns_config {
        bool enabled;
        struct config_strings names;
};

struct endpoint_config {
        bool enabled;
        uint64_t max_skew_usec; /* between the API server's clock and this one */
};

struct runtime_config {
        bool enabled;
        char *socket;
};

struct expiry_config {
        bool enabled;
        uint64_t warn_usec, fail_usec; /* before the end of a certificate */
};

struct database_config {
        bool enabled;
        double warn, fail; /* fractions of the quota */
};

struct latency_config {
        bool enabled;
        uint64_t warn_usec, fail_usec; /* 99th percentile */
};

struct checks_config {
        struct unit_config kubelet, containerd;
        struct space_config disk_space, inodes;
        struct switch_config read_only_root, reboot_required, scs_0215, scs_0217;
        struct paths_config read_only_filesystem;
        struct window_config kernel, storage_errors, oom;
        struct ratio_config conntrack, pids, open_files;
        struct pressure_config memory_pressure, io_pressure;
        struct clock_config clock;
        struct switch_config bootstrap, kubelet_health, kube_proxy, units;
        struct runtime_config container_runtime;
        struct endpoint_config api_endpoint;
        struct switch_config api_server, controller_manager, scheduler, static_pods;
        struct switch_config etcd, etcd_leader, etcd_maintenance;
        struct database_config etcd_database;
        struct latency_config etcd_latency;
        struct expiry_config certificates;
        struct switch_config versions, topology;
        struct dns_config dns;
};

struct node_health_config {
        uint64_t interval_usec;
        struct checks_config checks;
};

extern const struct config_type node_health_config_type;
