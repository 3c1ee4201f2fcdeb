/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is reached without the proxy: the value of NO_PROXY. */

#include "config.h"

/* What belongs to this node and its cluster: loopback, the metadata address, the cluster's domain, the API's
 * endpoint, the node's addresses and networks, the pods' and services' networks as far as kubeadm's files
 * tell; and then the entries, each only once; with commas between. Owned by the caller. Returns 0 or -errno.
 */
int direct_list(const char *root, const struct config_strings *entries, char **ret);
