/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* kubeadm takes no lock of its own. While `kubeadm upgrade` exchanges static pods it moves their manifests
 * through /etc/kubernetes/tmp (kubernetes: cmd/kubeadm/app/phases/upgrade/staticpods.go), and two who move
 * the same manifests would each undo the other. */

#include "failure.h"

/* -EBUSY with a failure (KubeadmIsRunning) when a kubeadm runs, or its upgrade began within ten minutes and
 * may only have lost its terminal; 0 when none does. */
int kubeadm_upgrade_check(const char *root, struct failure *failure);
