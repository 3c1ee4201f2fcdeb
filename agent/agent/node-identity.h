/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who this node is in Kubernetes, from what kubeadm and kubelet left on it. */

struct node_identity {
        char *name; /* from the kubelet's client certificate; NULL before join */
        char *hostname;
        const char *phase; /* "Bootstrapping" until kubelet.conf is there, then "Joined". /run/cluster-api's
                            * sentinel is not used: it is gone after a reboot. */
};

void node_identity_clear(struct node_identity *identity);

/* Reads it afresh below root. What cannot be read stays NULL; returns -ENOMEM only. */
int node_identity_read(const char *root, struct node_identity *ret);
