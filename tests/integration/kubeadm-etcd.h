/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An etcd that runs as long as its static manifest lies where the kubelet looks: a child process plays the
 * kubelet. Below a root as backup-node.h has it, whose `root` and `member` it sets. */

#include <sys/types.h>

struct kubeadm_etcd {
        pid_t kubelet;
        char *root;
};

/* bin_directory: where etcd is; NULL: in PATH. tag: of the image in the manifest. */
void kubeadm_etcd_start(struct kubeadm_etcd *node, const char *bin_directory, const char *tag);
void kubeadm_etcd_stop(struct kubeadm_etcd *node); /* and removes the root */
/* Makes it the node that `root` and `member` are. */
void kubeadm_etcd_use(struct kubeadm_etcd *node);
void kubeadm_etcd_write_manifest(const char *tag);
void kubeadm_etcd_wait(void); /* until it serves */
