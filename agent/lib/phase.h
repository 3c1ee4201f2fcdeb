/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When on this node something happens that happens again and again on every node: the same moment of each
 * interval, spread over nodes and things, so that a fleet that boots at once does not ask at once. */

#include <stddef.h>
#include <stdint.h>

/* Something that stays the same for a node and differs between nodes: ROOT/etc/machine-id, else the host's
 * name. Returns 0, -ENAMETOOLONG or another -errno. */
#define NODE_ID_SIZE 256
int phase_node_id(const char *root, char ret_id[static NODE_ID_SIZE]);

/* Where in its interval a thing happens on this node. */
uint64_t phase_of(const char *node_id, const char *thing, uint64_t interval_usec);

/* The first of phase, phase + interval, … after now that leaves at least half an interval; what a suspend or
 * a stall has skipped is not made up for. */
uint64_t phase_next(uint64_t phase_usec, uint64_t interval_usec, uint64_t now_usec);
