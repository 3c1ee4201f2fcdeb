/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What kubeadm's files on this node tell of the cluster: the static pods' manifests on a control plane, and
 * before those the configuration that Cluster API gives to `kubeadm init`. A worker has neither. */

#include "cidr.h"

enum cluster_network { CLUSTER_PODS, CLUSTER_SERVICES };

#define CLUSTER_NETWORKS_MAX 8 /* two in a cluster with IPv4 and IPv6 */

/* Returns how many there are; what cannot be read is not there. */
size_t cluster_networks(const char *root, enum cluster_network which,
                        struct cidr ret[static CLUSTER_NETWORKS_MAX]);

/* The domain of the cluster's services ("cluster.local"): the kubelet's, else that of the configuration.
 * Owned by the caller, NULL when it is not known. */
char *cluster_domain(const char *root);

/* The host, without a port, by which this node reaches the API: of the kubelet's kubeconfig, else of the
 * configuration for `kubeadm init` or `kubeadm join`. Owned by the caller, NULL when it is not known. */
char *cluster_endpoint(const char *root);
