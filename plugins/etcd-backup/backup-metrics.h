/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "watch.h"

/* What the copies and the runs come to, in numbers: capi_node_etcd_backup_…. Returns 0 or -ENOMEM. */
int backup_metrics(json_object *metrics, const struct backup_watch *watch);
