/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "check.h"

/* Whether the manifests of the control plane's static pods are there, and their pods run. */
int static_pods_start(struct check_run *run);
