/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the checks found, as the report's "checks", "metrics" and "versions". */

#include "node.h"
#include "report.h"
#include "schedule.h"

/* Returns 0 or -ENOMEM. */
int findings_add(struct node *node, const struct check_state *states, size_t count, struct report *report);
