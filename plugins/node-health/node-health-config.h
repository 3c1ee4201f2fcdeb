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
        struct switch_config read_only_root;
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
};

struct node_health_config {
        uint64_t interval_usec;
        struct checks_config checks;
};

extern const struct config_type node_health_config_type;
