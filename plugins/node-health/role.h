/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a node is to its cluster: which rows of the check table apply to it. */

#include <stdbool.h>

enum role {
        ROLE_ANY,
        ROLE_CONTROL_PLANE, /* runs kube-apiserver, kube-controller-manager and kube-scheduler as static pods
                             */
        ROLE_ETCD_MEMBER,   /* runs etcd as a static pod; a control plane with an external etcd does not */
};

/* Looks at kubeadm's files under root, each time anew. A static pod whose manifest was moved away, as for a
 * restore, is still one that the node should run: kubeadm's other files for it tell. */
bool role_holds(enum role role, const char *root);

/* Whether kubeadm has run: there is a kubelet.conf, which, unlike bootstrap-success.complete in /run,
 * outlives a reboot. */
#define KUBELET_CONF "/etc/kubernetes/kubelet.conf"
bool role_has_joined(const char *root);

/* The kubelet's KubeletConfiguration, as kubeadm lays it down. */
#define KUBELET_CONFIG     "/var/lib/kubelet/config.yaml"
#define KUBELET_CONFIG_MAX (256 * 1024)
