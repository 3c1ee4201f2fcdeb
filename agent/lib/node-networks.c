/* SPDX-License-Identifier: Apache-2.0 */

#include "node-networks.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

static ip_number sockaddr_number(const struct sockaddr *address, enum ip_family family)
{
        return family == IP_V4
                       ? ip_from_bytes(family, &((const struct sockaddr_in *)(const void *)address)->sin_addr)
                       : ip_from_bytes(family,
                                       &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static int add_interface(struct node_networks *networks, const struct ifaddrs *item)
{
        enum ip_family family = item->ifa_addr->sa_family == AF_INET ? IP_V4 : IP_V6;
        ip_number address = sockaddr_number(item->ifa_addr, family);
        ip_number mask = item->ifa_netmask ? sockaddr_number(item->ifa_netmask, family) : ip_highest(family);
        int r;

        r = cidr_set_add(&networks->addresses[family], address, address);
        if (r < 0)
                return r;
        /* Link-local is on every interface; and a mask of nothing is a mistake, not a network. */
        if (mask == 0 || (family == IP_V6 && address >> 118 == 0xFE80 >> 6))
                return 0;
        return cidr_set_add(&networks->networks[family], address & mask,
                            (address & mask) | (ip_highest(family) & ~mask));
}

int node_networks_read(struct node_networks *ret)
{
        struct node_networks networks = {};
        struct ifaddrs *list;
        int r = 0;

        if (getifaddrs(&list) < 0)
                return -errno;
        for (const struct ifaddrs *item = list; r >= 0 && item; item = item->ifa_next)
                if (item->ifa_addr &&
                    (item->ifa_addr->sa_family == AF_INET || item->ifa_addr->sa_family == AF_INET6) &&
                    !(item->ifa_flags & IFF_LOOPBACK))
                        r = add_interface(&networks, item);
        freeifaddrs(list);
        for (size_t f = 0; f < IP_FAMILIES; f++) {
                cidr_set_merge(&networks.networks[f]);
                cidr_set_merge(&networks.addresses[f]);
        }
        if (r < 0) {
                node_networks_clear(&networks);
                return r;
        }
        *ret = networks;
        return 0;
}

void node_networks_clear(struct node_networks *networks)
{
        for (size_t f = 0; f < IP_FAMILIES; f++) {
                cidr_set_clear(&networks->networks[f]);
                cidr_set_clear(&networks->addresses[f]);
        }
}
