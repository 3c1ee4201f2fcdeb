/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sets of the table: making one, and loading ranges into it. */

#include <stdint.h>

#include "cidr.h"
#include "netlink.h"

enum set_key { SET_KEY_V4, SET_KEY_V6, SET_KEY_PORT };

/* Messages for a batch; each returns 0 or -ENOMEM. flags are NFT_SET_…; size 0: no limit. */
int set_put(struct batch *batch, const char *name, enum set_key key, uint32_t flags, uint32_t size);
int set_put_delete(struct batch *batch, const char *name);
/* Each element for so long, 0: for ever. */
int set_put_ports(struct batch *batch, const char *name, const uint16_t *ports, size_t n,
                  uint64_t timeout_msec);

/* Makes a set of ranges, in transactions so small that others hardly wait: bounded memory, however many they
 * are. set must be merged and not empty. Returns 0 or -errno; then a part of it may be there. */
int set_load(struct netlink *netlink, const char *name, enum ip_family family, const struct cidr_set *set);
