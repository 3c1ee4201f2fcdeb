/* SPDX-License-Identifier: Apache-2.0 */

#include "node-health-config.h"

#include "dns-message.h"
#include "quantity.h"

/* The file systems that a node needs, where they are ones of their own. */
#define NODE_PATHS "[\"/\", \"/var/lib/etcd\", \"/var/lib/containerd\", \"/var/lib/kubelet\", \"/var/log\"]"

#define ENABLED(type)                                                                       \
        {                                                                                   \
                .name = "enabled", .help = "Whether this check runs.", .kind = CONFIG_BOOL, \
                .offset = offsetof(struct type, enabled), .fallback = "true"                \
        }

static const struct config_key switch_keys[] = { ENABLED(switch_config), {} };

static const struct config_type switch_type = {
        .name = "switch",
        .help = "A check without thresholds.",
        .size = sizeof(struct switch_config),
        .keys = switch_keys,
};

/* The defaults: node-problem-detector's frequent-restart rules (5 in 20 minutes) and Gardener's
 * SystemdUnitsReady (activating for 5 minutes). */
static const struct config_key unit_keys[] = {
        ENABLED(unit_config),
        {
                .name = "restarts",
                .help = "How many automatic restarts within restartWindow are too many.",
                .kind = CONFIG_INTEGER,
                .offset = offsetof(struct unit_config, restarts),
                .fallback = "5",
                .minimum = 1,
                .maximum = NODE_HEALTH_RESTARTS_MAX,
        },
        {
                .name = "restartWindow",
                .help = "The time in which restarts are counted.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct unit_config, restart_window_usec),
                .fallback = "\"20m\"",
                .minimum = USEC_PER_MIN,
                .maximum = USEC_PER_DAY,
        },
        {
                .name = "startTimeout",
                .help = "How long the unit may be starting.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct unit_config, start_timeout_usec),
                .fallback = "\"5m\"",
                .minimum = USEC_PER_SEC,
                .maximum = USEC_PER_DAY,
        },
        {},
};

static const struct config_type unit_type = {
        .name = "unit",
        .help = "A systemd service that this node needs.",
        .size = sizeof(struct unit_config),
        .keys = unit_keys,
};

static int check_space(const void *object, const char *pointer, struct failure *failure)
{
        const struct space_config *space = object;

        if (space->warn < space->fail)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"warn\" (%g%%) is below \"fail\" (%g%%); allowed: at least \"fail\"",
                                   pointer, space->warn * 100, space->fail * 100);
        return 0;
}

/* The defaults: node-mixin's NodeFilesystemAlmostOutOfSpace and …OutOfFiles. For how long that may last
 * before anyone acts is for the reader to say: node-mixin's "for", MachineHealthCheck's timeout. */
static const struct config_key space_keys[] = {
        ENABLED(space_config),
        {
                .name = "warn",
                .help = "Warn when less than this is free for unprivileged users.",
                .kind = CONFIG_PERCENT,
                .offset = offsetof(struct space_config, warn),
                .fallback = "\"5%\"",
        },
        {
                .name = "fail",
                .help = "Fail when less than this is free for unprivileged users.",
                .kind = CONFIG_PERCENT,
                .offset = offsetof(struct space_config, fail),
                .fallback = "\"3%\"",
        },
        {
                .name = "paths",
                .help = "Where to look; paths that do not exist are left out, each file system counts once.",
                .kind = CONFIG_STRINGS,
                .offset = offsetof(struct space_config, paths),
                .fallback = NODE_PATHS,
                .minimum = 1,
                .maximum = NODE_HEALTH_PATHS_MAX,
                .check = config_check_path,
        },
        {},
};

static const struct config_type space_type = {
        .name = "space",
        .help = "What must be free on the file systems.",
        .size = sizeof(struct space_config),
        .keys = space_keys,
        .check = check_space,
};

/* The kernel stops counting the error at 16 s (NTP_PHASE_LIMIT, include/linux/timex.h), so no higher limit
 * could be reached. */
static const struct config_key clock_keys[] = {
        ENABLED(clock_config),
        {
                .name = "maxError",
                .help = "Fail when the kernel's estimate of the clock's greatest error reaches this.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct clock_config, max_error_usec),
                .fallback = "\"16s\"",
                .minimum = USEC_PER_MSEC,
                .maximum = 16 * USEC_PER_SEC,
        },
        {
                .name = "maxOffset",
                .help = "Warn when the clock is known to be off by this.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct clock_config, max_offset_usec),
                .fallback = "\"50ms\"", /* node-mixin's NodeClockSkewDetected */
                .minimum = USEC_PER_MSEC,
                .maximum = 16 * USEC_PER_SEC,
        },
        {},
};

static const struct config_type clock_type = {
        .name = "clock",
        .help = "The clock's synchronisation.",
        .size = sizeof(struct clock_config),
        .keys = clock_keys,
};

static const struct config_key endpoint_keys[] = {
        ENABLED(endpoint_config),
        {
                .name = "maxSkew",
                .help = "Warn when the clock and the API server's are further apart.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct endpoint_config, max_skew_usec),
                .fallback = "\"5s\"",
                .minimum = USEC_PER_SEC,
                .maximum = USEC_PER_DAY,
        },
        {},
};

static const struct config_type endpoint_type = {
        .name = "endpoint",
        .help = "The cluster's API server as seen from here.",
        .size = sizeof(struct endpoint_config),
        .keys = endpoint_keys,
};

static const struct config_key runtime_keys[] = {
        ENABLED(runtime_config),
        {
                .name = "socket",
                .help = "Where the container runtime listens.",
                .kind = CONFIG_STRING,
                .offset = offsetof(struct runtime_config, socket),
                .fallback = "\"/run/containerd/containerd.sock\"",
                .check = config_check_path,
        },
        {},
};

static const struct config_type runtime_type = {
        .name = "runtime",
        .help = "The container runtime, by the kubelet's interface.",
        .size = sizeof(struct runtime_config),
        .keys = runtime_keys,
};

static int check_expiry(const void *object, const char *pointer, struct failure *failure)
{
        const struct expiry_config *expiry = object;

        if (expiry->warn_usec < expiry->fail_usec)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"warn\" is shorter than \"fail\"; allowed: at least \"fail\"",
                                   pointer);
        return 0;
}

/* The defaults: kubernetes-mixin's KubeClientCertificateExpiration. */
static const struct config_key expiry_keys[] = {
        ENABLED(expiry_config),
        {
                .name = "warn",
                .help = "Warn when a certificate expires within this.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct expiry_config, warn_usec),
                .fallback = "\"7d\"",
                .maximum = 3650 * USEC_PER_DAY,
        },
        {
                .name = "fail",
                .help = "Fail when a certificate expires within this.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct expiry_config, fail_usec),
                .fallback = "\"1d\"",
                .maximum = 3650 * USEC_PER_DAY,
        },
        {},
};

static const struct config_type expiry_type = {
        .name = "expiry",
        .help = "How long certificates must be valid yet.",
        .size = sizeof(struct expiry_config),
        .keys = expiry_keys,
        .check = check_expiry,
};

static int check_database(const void *object, const char *pointer, struct failure *failure)
{
        const struct database_config *database = object;

        if (database->warn > database->fail)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"warn\" (%g%%) is above \"fail\" (%g%%); allowed: at most \"fail\"",
                                   pointer, database->warn * 100, database->fail * 100);
        return 0;
}

/* fail: etcd-mixin's etcdDatabaseQuotaLowSpace. */
static const struct config_key database_keys[] = {
        ENABLED(database_config),
        {
                .name = "warn",
                .help = "Warn when so much of the quota is filled.",
                .kind = CONFIG_PERCENT,
                .offset = offsetof(struct database_config, warn),
                .fallback = "\"80%\"",
        },
        {
                .name = "fail",
                .help = "Fail when so much of the quota is filled.",
                .kind = CONFIG_PERCENT,
                .offset = offsetof(struct database_config, fail),
                .fallback = "\"95%\"",
        },
        {},
};

static const struct config_type database_type = {
        .name = "database",
        .help = "The size of etcd's database.",
        .size = sizeof(struct database_config),
        .keys = database_keys,
        .check = check_database,
};

static int check_latency(const void *object, const char *pointer, struct failure *failure)
{
        const struct latency_config *latency = object;

        if (latency->warn_usec > latency->fail_usec)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"warn\" is longer than \"fail\"; allowed: at most \"fail\"",
                                   pointer);
        return 0;
}

/* The defaults: etcd-mixin's etcdHighFsyncDurations. */
static const struct config_key latency_keys[] = {
        ENABLED(latency_config),
        {
                .name = "warn",
                .help = "Warn when the 99th percentile of writing etcd's log takes longer.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct latency_config, warn_usec),
                .fallback = "\"500ms\"",
                .minimum = USEC_PER_MSEC,
                .maximum = USEC_PER_MIN,
        },
        {
                .name = "fail",
                .help = "Fail when the 99th percentile of writing etcd's log takes longer.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct latency_config, fail_usec),
                .fallback = "\"1s\"",
                .minimum = USEC_PER_MSEC,
                .maximum = USEC_PER_MIN,
        },
        {},
};

static const struct config_type latency_type = {
        .name = "latency",
        .help = "The speed of etcd's disk.",
        .size = sizeof(struct latency_config),
        .keys = latency_keys,
        .check = check_latency,
};

static const struct config_key paths_keys[] = {
        ENABLED(paths_config),
        {
                .name = "paths",
                .help = "Where to look; a path counts as the file system that holds it.",
                .kind = CONFIG_STRINGS,
                .offset = offsetof(struct paths_config, paths),
                .fallback = NODE_PATHS,
                .minimum = 1,
                .maximum = NODE_HEALTH_PATHS_MAX,
                .check = config_check_path,
        },
        {},
};

static const struct config_type paths_type = {
        .name = "paths",
        .help = "File systems.",
        .size = sizeof(struct paths_config),
        .keys = paths_keys,
};

static const struct config_key window_keys[] = {
        ENABLED(window_config),
        {
                .name = "window",
                .help = "For how long it is told that something happened.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct window_config, window_usec),
                .fallback = "\"10m\"",
                .minimum = USEC_PER_SEC,
                .maximum = USEC_PER_DAY,
        },
        {},
};

static const struct config_type window_type = {
        .name = "window",
        .help = "Something that happens at a moment.",
        .size = sizeof(struct window_config),
        .keys = window_keys,
};

static int check_ratio(const void *object, const char *pointer, struct failure *failure)
{
        const struct ratio_config *ratio = object;

        if (ratio->warn > ratio->fail)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"warn\" (%g%%) is above \"fail\" (%g%%); allowed: at most \"fail\"",
                                   pointer, ratio->warn * 100, ratio->fail * 100);
        return 0;
}

#define RATIO_TYPE(type_name, warn_text, sentence)                   \
        static const struct config_key type_name##_keys[] = {        \
                ENABLED(ratio_config),                               \
                { .name = "warn",                                    \
                  .help = "Warn when so much of the limit is used.", \
                  .kind = CONFIG_PERCENT,                            \
                  .offset = offsetof(struct ratio_config, warn),     \
                  .fallback = "\"" warn_text "\"" },                 \
                { .name = "fail",                                    \
                  .help = "Fail when so much of the limit is used.", \
                  .kind = CONFIG_PERCENT,                            \
                  .offset = offsetof(struct ratio_config, fail),     \
                  .fallback = "\"90%\"" },                           \
                {},                                                  \
        };                                                           \
        static const struct config_type type_name##_type = {         \
                .name = #type_name,                                  \
                .help = sentence,                                    \
                .size = sizeof(struct ratio_config),                 \
                .keys = type_name##_keys,                            \
                .check = check_ratio,                                \
        }

/* 75 % and 90 %: node-mixin's NodeHighNumberConntrackEntriesUsed, node-problem-detector. 70 % and 90 %: the
 * EKS node monitoring agent, node-mixin's NodeFileDescriptorLimit. */
RATIO_TYPE(conntrack, "75%", "The table of tracked connections.");
RATIO_TYPE(usage, "70%", "A limit of the kernel's.");

#define PRESSURE_TYPE(type_name, warn_text)                                      \
        static const struct config_key type_name##_keys[] = {                    \
                ENABLED(pressure_config),                                        \
                { .name = "warn",                                                \
                  .help = "Warn when everything waits for so much of the time.", \
                  .kind = CONFIG_PERCENT,                                        \
                  .offset = offsetof(struct pressure_config, warn),              \
                  .fallback = "\"" warn_text "\"" },                             \
                {},                                                              \
        };                                                                       \
        static const struct config_type type_name##_type = {                     \
                .name = #type_name,                                              \
                .help = "Pressure stall information.",                           \
                .size = sizeof(struct pressure_config),                          \
                .keys = type_name##_keys,                                        \
        }

PRESSURE_TYPE(memory_pressure, "10%");
PRESSURE_TYPE(io_pressure, "40%");

static int check_name(const char *value, const char **ret_allowed)
{
        uint8_t message[DNS_MESSAGE_MAX];

        if (dns_query_write(value, 0, message) > 0)
                return 0;
        *ret_allowed = "a host name";
        return -EINVAL;
}

static const struct config_key dns_keys[] = {
        ENABLED(dns_config),
        {
                .name = "names",
                .help = "What every name server must find, besides the API server's name.",
                .kind = CONFIG_STRINGS,
                .offset = offsetof(struct dns_config, names),
                .maximum = NODE_HEALTH_NAMES_MAX,
                .check = check_name,
        },
        {},
};

static const struct config_type dns_type = {
        .name = "dns",
        .help = "The name servers.",
        .size = sizeof(struct dns_config),
        .keys = dns_keys,
};

#define CHECK(text, member, check_type, sentence)                                     \
        {                                                                             \
                .name = text, .help = sentence, .kind = CONFIG_OBJECT,                \
                .offset = offsetof(struct checks_config, member), .type = &check_type \
        }

static const struct config_key checks_keys[] = {
        CHECK("kubelet", kubelet, unit_type, "kubelet.service, from the moment kubeadm has run."),
        CHECK("containerd", containerd, unit_type, "containerd.service."),
        CHECK("disk-space", disk_space, space_type, "Free space."),
        CHECK("inodes", inodes, space_type, "Free inodes."),
        CHECK("read-only-root", read_only_root, switch_type, "Whether / can be written."),
        CHECK("read-only-filesystem", read_only_filesystem, paths_type,
              "Whether the file systems that the node needs can be written."),
        CHECK("storage-errors", storage_errors, window_type, "Errors of disks, in the kernel's log."),
        CHECK("kernel", kernel, window_type, "What does not go on, in the kernel's log."),
        CHECK("oom", oom, window_type, "What the kernel killed for want of memory."),
        CHECK("memory-pressure", memory_pressure, memory_pressure_type, "Whether tasks wait for memory."),
        CHECK("io-pressure", io_pressure, io_pressure_type, "Whether tasks wait for disks."),
        CHECK("pids", pids, usage_type, "Processes and threads."),
        CHECK("open-files", open_files, usage_type, "Open files."),
        CHECK("conntrack", conntrack, conntrack_type, "Tracked connections."),
        CHECK("clock", clock, clock_type, "Whether the clock is synchronised."),
        CHECK("bootstrap", bootstrap, switch_type, "cloud-init and kubeadm."),
        CHECK("kubelet-health", kubelet_health, switch_type, "Whether the kubelet answers."),
        CHECK("kube-proxy", kube_proxy, switch_type, "Whether kube-proxy answers, where it runs."),
        CHECK("units", units, switch_type, "All other services of systemd."),
        CHECK("container-runtime", container_runtime, runtime_type,
              "Whether the container runtime is ready."),
        CHECK("api-endpoint", api_endpoint, endpoint_type, "Whether the API server is to be reached."),
        CHECK("api-server", api_server, switch_type, "kube-apiserver on this node."),
        CHECK("controller-manager", controller_manager, switch_type, "kube-controller-manager on this node."),
        CHECK("scheduler", scheduler, switch_type, "kube-scheduler on this node."),
        CHECK("static-pods", static_pods, switch_type, "The manifests of the control plane."),
        CHECK("etcd", etcd, switch_type, "etcd on this node."),
        CHECK("etcd-leader", etcd_leader, switch_type, "Whether etcd has a leader."),
        CHECK("etcd-database", etcd_database, database_type, "The size of etcd's database."),
        CHECK("etcd-latency", etcd_latency, latency_type, "The speed of etcd's disk."),
        CHECK("etcd-maintenance", etcd_maintenance, switch_type,
              "What etcd-maintenance reports, where it does."),
        CHECK("certificates", certificates, expiry_type, "When certificates expire."),
        CHECK("versions", versions, switch_type, "Whether the versions of Kubernetes fit each other."),
        CHECK("topology", topology, switch_type, "The Node's labels of zone and region."),
        CHECK("dns", dns, dns_type, "Whether the name servers answer."),
        CHECK("reboot-required", reboot_required, switch_type, "Whether a package asks for a reboot."),
        CHECK("scs-0215", scs_0215, switch_type, "What SCS-0215 asks of a control plane."),
        CHECK("scs-0217", scs_0217, switch_type, "What SCS-0217 asks of a node."),
        {},
};

static const struct config_type checks_type = {
        .name = "checks",
        .help = "One object for each check.",
        .size = sizeof(struct checks_config),
        .keys = checks_keys,
};

static const struct config_key keys[] = {
        {
                .name = "interval",
                .help = "How often a check runs that has no rhythm of its own.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct node_health_config, interval_usec),
                .fallback = "\"30s\"",
                .minimum = USEC_PER_SEC,
                .maximum = 10 * USEC_PER_MIN,
        },
        {
                .name = "checks",
                .help = "What is checked, with which thresholds.",
                .kind = CONFIG_OBJECT,
                .offset = offsetof(struct node_health_config, checks),
                .type = &checks_type,
        },
        {},
};

const struct config_type node_health_config_type = {
        .name = "node-health",
        .help = "Checks the node and reports conditions and metrics.",
        .size = sizeof(struct node_health_config),
        .keys = keys,
};
