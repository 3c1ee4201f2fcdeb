/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small world: a cluster, its nodes with their clocks, one target with their copies, and what really
 * happened. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "configuration.h"
#include "quantity.h"
#include "retention.h"

#define CLUSTER   UINT64_C(0xc1)
#define BEGIN     (UINT64_C(1795255200) * USEC_PER_SEC) /* 2026-11-21T10:00:00Z */
#define COPIES    4096
#define NODES_MAX 64
#define LIVE_MAX  3

struct node {
        char name[16];
        uint64_t id, sequence, booted, boot;
        int64_t error; /* of its clock */
        bool alive;
};

struct fact { /* what really happened */
        uint64_t taken, order, boot;
        int64_t error;
        size_t node; /* NODES_MAX: not of this cluster */
};

struct world {
        uint64_t random, now, order, boots;
        struct target_retention rules;
        struct retention_tier tiers[8];
        struct node nodes[NODES_MAX];
        size_t n_nodes;
        struct member_list members;
        uint64_t capacity, free;
        struct retention_copy copies[COPIES];
        struct fact facts[COPIES];
        struct retention_decision decisions[COPIES];
        size_t count;
        bool clocks_right; /* all of them, always */
};

extern struct world world;

/* One where nothing happened yet. */
void clear_world(uint64_t seed);
void boot_node(struct node *node);

/* A new node becomes a member. */
void join(uint64_t id);
void ask_members(void);

/* At node i, now. */
struct retention_copy *take_copy(size_t i);

/* What the retention says at node i, into world.decisions. */
void decide_at(size_t i);
bool is_deleted(size_t i);

/* Removes what is to be removed. Returns how much that was. */
size_t carry_out(void);
void set_tiers(const struct retention_tier *tiers, size_t count);
