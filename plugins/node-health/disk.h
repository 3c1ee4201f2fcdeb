/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Free space and inodes of the file systems below a fixed list of paths; never "all mounts", because a
 * sandbox adds mounts of its own to the service's table. */

#include "check.h"
#include "node-health-config.h"
#include "probe.h"

/* One path, as statvfs(3) sees it. The mount flags are of no use here: ProtectSystem=strict makes every path
 * look read-only to the service; the numbers stay true. */
struct filesystem {
        int32_t error; /* errno; ENOENT: there is no such path on this node */
        uint64_t device;
        uint64_t size, available;          /* bytes; available to unprivileged users (f_bavail) */
        uint64_t inodes, inodes_available; /* 0 inodes: the file system does not count them */
};

struct disk_watch {
        struct probe probe;
        struct filesystem found[NODE_HEALTH_PATHS_MAX]; /* at the index of the path in the configuration */
        size_t count;
        uint64_t found_usec;         /* CLOCK_BOOTTIME */
        bool at_once;                /* no file system can hang: no child is needed */
        uint64_t at_once_until_usec; /* CLOCK_BOOTTIME: then their types are read again */
};

int disk_space_start(struct check_run *run);
int inodes_start(struct check_run *run);
int disk_space_metrics(const struct node *node, json_object *metrics);
int inodes_metrics(const struct node *node, json_object *metrics);
