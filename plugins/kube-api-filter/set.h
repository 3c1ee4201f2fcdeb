/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sets of the table: making one, and loading ranges into it. */

#include <stdint.h>

#include "cidr.h"
#include "netlink.h"

enum set_key { SET_KEY_V4, SET_KEY_V6, SET_KEY_PORT };

/* Messages for a batch; each returns 0 or -ENOMEM. flags are NFT_SET_…; with NFT_SET_MAP it is a map to
 * verdicts. size 0: no limit. */
int set_put(struct batch *batch, const char *name, enum set_key key, uint32_t flags, uint32_t size);
/* A set with these ranges, which must be merged. To put it twice is the same as once. */
int set_put_ranges(struct batch *batch, const char *name, enum ip_family family,
                   const struct cidr_range *ranges, size_t n);
int set_put_delete(struct batch *batch, const char *name);
/* Each element for so long, 0: for ever. */
int set_put_ports(struct batch *batch, const char *name, const uint16_t *ports, size_t n,
                  uint64_t timeout_msec);
/* Into a map of ranges: jump to the chain. */
int set_put_jump(struct batch *batch, const char *name, enum ip_family family, const struct cidr_range *range,
                 const char *chain);
