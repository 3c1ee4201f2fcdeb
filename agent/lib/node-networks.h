/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cidr.h"

/* The networks that the node's addresses are in, without the link-local ones, and the addresses themselves;
 * loopback left out. Both merged. */
struct node_networks {
        struct cidr_set networks[IP_FAMILIES], addresses[IP_FAMILIES];
};
/* Returns 0 or -errno. */
int node_networks_read(struct node_networks *ret);
void node_networks_clear(struct node_networks *networks);
#define _cleanup_node_networks_ _cleanup_(node_networks_clear) struct node_networks
