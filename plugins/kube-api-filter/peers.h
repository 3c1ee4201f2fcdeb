/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who is connected to the filtered ports now, from the kernel's own table of sockets (sock_diag(7)). */

#include <stdbool.h>
#include <stdint.h>

#include "cidr.h"

#define PEERS_MAX 4096

struct peer {
        enum ip_family family;
        ip_number address;
        unsigned connections;
        uint64_t silent_msec; /* since its last segment, the shortest of its connections */
};

struct peers {
        struct peer *items;
        size_t count;
};

/* Established connections to the ports, one row for each address, at most PEERS_MAX; without loopback and
 * link-local ones. Returns 0 or -errno. */
int peers_read(const uint16_t *ports, size_t n_ports, struct peers *ret);
void peers_clear(struct peers *peers);
#define _cleanup_peers_ _cleanup_(peers_clear) struct peers

const struct peer *peers_find(const struct peers *peers, enum ip_family family, ip_number address);
