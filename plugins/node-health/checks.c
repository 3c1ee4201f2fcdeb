/* SPDX-License-Identifier: Apache-2.0 */

#include "check.h"

#include "clock.h"
#include "disk.h"
#include "quantity.h"
#include "read-only-root.h"
#include "unit-bus.h"

#define CONFIG(member) .config = offsetof(struct node_health_config, checks.member)
#define DOC(anchor)    .doc = "man:capi-node-node-health(8)#" anchor

/* The order is the order of importance: of several that fail, the first gives its condition the reason. */
const struct check checks[] = {
        {
                .name = "kubelet",
                .summary = "kubelet is running",
                .deadline_usec = 5 * USEC_PER_SEC,
                .fail_after = 3,
                .ok_after = 2,
                .condition = "NodeServicesReady",
                .severity = SEVERITY_FATAL,
                .start = kubelet_start,
                .metrics = kubelet_metrics,
                CONFIG(kubelet),
                DOC("kubelet"),
        },
        {
                .name = "containerd",
                .summary = "containerd is running",
                .deadline_usec = 5 * USEC_PER_SEC,
                .fail_after = 3,
                .ok_after = 2,
                .condition = "NodeServicesReady",
                .severity = SEVERITY_FATAL,
                .start = containerd_start,
                .metrics = containerd_metrics,
                CONFIG(containerd),
                DOC("containerd"),
        },
        {
                /* At once in both directions: the kernel does not do this for a moment. */
                .name = "read-only-root",
                .summary = "the root file system can be written",
                .deadline_usec = 5 * USEC_PER_SEC,
                .fail_after = 1,
                .ok_after = 1,
                .condition = "NodeStorageReady",
                .severity = SEVERITY_FATAL,
                .start = read_only_root_start,
                CONFIG(read_only_root),
                DOC("read-only-root"),
        },
        {
                .name = "disk-space",
                .summary = "there is enough space",
                .deadline_usec = 10 * USEC_PER_SEC,
                .fail_after = 3,
                .ok_after = 2,
                .condition = "NodeStorageReady",
                .severity = SEVERITY_FATAL,
                .start = disk_space_start,
                .metrics = disk_space_metrics,
                CONFIG(disk_space),
                DOC("disk-space"),
        },
        {
                .name = "inodes",
                .summary = "there are enough inodes",
                .deadline_usec = 10 * USEC_PER_SEC,
                .fail_after = 3,
                .ok_after = 2,
                .condition = "NodeStorageReady",
                .severity = SEVERITY_FATAL,
                .start = inodes_start,
                .metrics = inodes_metrics,
                CONFIG(inodes),
                DOC("inodes"),
        },
        {
                /* 20 times 30 s: ten minutes, as in node-mixin, because the error also starts at 16 s at
                   boot. */
                .name = "clock",
                .summary = "the clock is synchronized",
                .interval_usec = 30 * USEC_PER_SEC,
                .deadline_usec = 5 * USEC_PER_SEC,
                .fail_after = 20,
                .ok_after = 1,
                .start = clock_start,
                .metrics = clock_metrics,
                CONFIG(clock),
                DOC("clock"),
        },
};

const size_t n_checks = ELEMENTS(checks);
