/* SPDX-License-Identifier: Apache-2.0 */

#include "role.h"

#include <stddef.h>

#include "files.h"

/* Any of them is enough. controller-manager.conf and etcd/server.crt are made by `kubeadm init` and `kubeadm
 * join --control-plane` only, and go with `kubeadm reset`. */
static const char *const control_plane_marks[] = {
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        "/etc/kubernetes/manifests/kube-scheduler.yaml",
        "/etc/kubernetes/controller-manager.conf",
        NULL,
};
static const char *const etcd_member_marks[] = {
        "/etc/kubernetes/manifests/etcd.yaml",
        "/etc/kubernetes/pki/etcd/server.crt",
        NULL,
};

static bool any_exists(const char *const *paths, const char *root)
{
        for (; *paths; paths++) {
                _cleanup_free_ char *path = path_under(root, *paths);

                if (path && access(path, F_OK) == 0)
                        return true;
        }
        return false;
}

bool role_has_joined(const char *root)
{
        static const char *const marks[] = { KUBELET_CONF, NULL };

        return any_exists(marks, root);
}

bool role_holds(enum role role, const char *root)
{
        switch (role) {
        case ROLE_ANY:
                return true;
        case ROLE_CONTROL_PLANE:
                return any_exists(control_plane_marks, root);
        case ROLE_ETCD_MEMBER:
                return any_exists(etcd_member_marks, root);
        }
        return false;
}
