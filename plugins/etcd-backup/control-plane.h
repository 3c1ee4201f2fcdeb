/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What this node is, as far as etcd goes, and since when we know. Before kubeadm has run, a control plane
 * looks like a worker looks for ever; kubelet.conf without etcd.yaml tells that it has run. */

#include "moment.h"

#define ETCD_MANIFEST_PATH "/etc/kubernetes/manifests/etcd.yaml"
#define KUBELET_CONF_PATH  "/etc/kubernetes/kubelet.conf"

enum node_role { ROLE_WAITING, ROLE_WORKER, ROLE_CONTROL_PLANE };

struct control_plane {
        enum node_role role;
        struct moment since; /* when this role was first seen, or the capability was set up */
        struct moment boot;  /* when this boot was first seen */
};

/* Looks under root, and keeps what it saw in STATE/control-plane.json over restarts and boots. Once a control
 * plane, always one: an etcd.yaml that was moved away, as for a restore, does not make a missing backup
 * healthy. */
int control_plane_look(const char *root, const char *state_dir, struct control_plane *ret);

/* Removes the file; for undo. */
int control_plane_forget(const char *state_dir);
