/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The services of this node that answer to anybody who is on it: is there a 200? */

#include "check.h"

int kubelet_health_start(struct check_run *run);
int kube_proxy_start(struct check_run *run);
int scheduler_start(struct check_run *run);
int controller_manager_start(struct check_run *run);
