/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "check.h"

/* How far cloud-init and kubeadm have come, and what went wrong. */
int bootstrap_start(struct check_run *run);
int bootstrap_metrics(const struct node *node, json_object *metrics);
