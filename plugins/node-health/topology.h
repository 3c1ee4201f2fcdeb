/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "check.h"

/* Whether the Node's labels of zone and region are there and are the cloud's (SCS-0214). */
int topology_start(struct check_run *run);
