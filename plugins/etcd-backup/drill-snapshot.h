/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "configuration.h"
#include "failure.h"

/* Streams a snapshot of the member into the file (0600), with etcd's hash behind it, as etcdctl would save
 * it. Returns 0, or negative errno with a failure. */
int drill_snapshot_take(const char *root, const struct etcd_access *access, const char *path,
                        struct failure *failure);
