/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How wrong the clock may be, in the kernel's own estimate. */

#include "check.h"

int clock_start(struct check_run *run);
int clock_metrics(const struct node *node, json_object *metrics);
