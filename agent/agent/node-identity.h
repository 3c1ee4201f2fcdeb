/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who this node is in Kubernetes, from what kubeadm and kubelet left on it. */

#include "files.h"

struct node_identity {
        char *name;              /* from the kubelet's client certificate; NULL before join */
        struct file_stamp stamp; /* of that certificate */
        char *hostname;
        const char *phase; /* "Bootstrapping" until kubelet.conf is there, then "Joined". /run/cluster-api's
                            * sentinel is not used: it is gone after a reboot. */
};

void node_identity_clear(struct node_identity *identity);

/* Brings it in line with what is below root; the certificate is read again when it was replaced. What cannot
 * be read is NULL; returns -ENOMEM only. */
int node_identity_update(struct node_identity *identity, const char *root);
