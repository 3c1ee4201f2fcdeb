/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether a package asks for a reboot, as Debian and Ubuntu mark it (/run/reboot-required). */

#include "check.h"

int reboot_required_start(struct check_run *run);
int reboot_required_metrics(const struct node *node, json_object *metrics);
