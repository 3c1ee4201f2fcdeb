/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The node's containers as containerd keeps them: a directory for each running task, with its OCI
 * configuration and its root file system (containerd: runtime/v2/bundle.go). Read there, and not asked over
 * containerd's socket: to read needs no root-like access to a service, works while containerd is restarting,
 * and the root file system is wanted anyway. */

#include <stdbool.h>

#include "cleanup.h"

/* Whether a sandbox or container of the static pod ("etcd", whose name is etcd-NODE) has a task. False also
 * where there is no containerd: who must know asks also what the pod leaves no doubt about, such as the lock
 * on its database. */
bool container_pod_runs(const char *root, const char *pod);

/* The root file system of the pod's running container of the same name; owned by the caller. -ENOENT. */
int container_rootfs(const char *root, const char *pod, char **ret);
