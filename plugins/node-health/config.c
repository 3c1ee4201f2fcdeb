/* SPDX-License-Identifier: Apache-2.0 */

#include "node-health-config.h"

#include "quantity.h"

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

/* The defaults: node-mixin's NodeFilesystemAlmostOutOfSpace and …OutOfFiles. */
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
                .fallback = "[\"/\", \"/var/lib/etcd\", \"/var/lib/containerd\", \"/var/lib/kubelet\", "
                            "\"/var/log\"]",
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
        {},
};

static const struct config_type clock_type = {
        .name = "clock",
        .help = "The clock's synchronisation.",
        .size = sizeof(struct clock_config),
        .keys = clock_keys,
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
        CHECK("clock", clock, clock_type, "Whether the clock is synchronised."),
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
