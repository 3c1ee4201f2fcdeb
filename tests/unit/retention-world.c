/* SPDX-License-Identifier: Apache-2.0 */

#include "retention-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "retention-clock.h"

struct world world;

void clear_world(uint64_t seed)
{
        member_list_clear(&world.members);
        world = (struct world){ .random = seed * 2 + 1, .now = BEGIN, .clocks_right = true };
        world.rules.keep_verified = 1;
        world.members.cluster_id = CLUSTER;
}

void boot_node(struct node *node)
{
        node->booted = world.now;
        node->boot = ++world.boots;
}

void join(uint64_t id)
{
        struct node *node = &world.nodes[world.n_nodes];

        assert_true(world.n_nodes < NODES_MAX);
        *node = (struct node){ .id = id, .alive = true };
        (void)snprintf(node->name, sizeof(node->name), "cp-%zu", world.n_nodes++);
        boot_node(node);
}

void ask_members(void)
{
        int64_t revision = (int64_t)world.order + 1;

        member_list_clear(&world.members);
        world.members.cluster_id = CLUSTER;
        world.members.revision = revision;
        for (size_t i = 0; i < world.n_nodes; i++)
                if (world.nodes[i].alive)
                        assert_int_equal(member_list_add(&world.members, world.nodes[i].id,
                                                         world.nodes[i].name, strlen(world.nodes[i].name),
                                                         false),
                                         0);
}

static uint64_t clock_of(const struct node *node)
{
        return (uint64_t)((int64_t)world.now + node->error);
}

static void set_moment(const struct node *node, struct moment *ret)
{
        *ret = (struct moment){ .realtime_usec = clock_of(node),
                                .boottime_usec = world.now - node->booted + 7 };
        (void)snprintf(ret->boot_id, sizeof(ret->boot_id), "boot-%" PRIu64, node->boot);
}

struct retention_copy *take_copy(size_t i)
{
        struct node *node = &world.nodes[i];
        struct retention_copy *copy = &world.copies[world.count];

        assert_true(world.count < COPIES);
        *copy = (struct retention_copy){ .node = node->name,
                                         .cluster_id = CLUSTER,
                                         .member_id = node->id,
                                         .sequence = ++node->sequence,
                                         .revision = (int64_t)++world.order,
                                         .size = 100,
                                         .whole = true,
                                         .walked = true,
                                         .authentic = true };
        set_moment(node, &copy->taken);
        world.facts[world.count++] = (struct fact){
                .taken = world.now, .order = world.order, .boot = node->boot, .error = node->error, .node = i
        };
        return copy;
}

void decide_at(size_t i)
{
        struct node *node = &world.nodes[i];
        struct retention_input input = { .rules = &world.rules,
                                         .copies = world.copies,
                                         .count = world.count,
                                         .node = node->name,
                                         .cluster_id = CLUSTER,
                                         .members = &world.members,
                                         .capacity = world.capacity,
                                         .free = world.free };

        ask_members();
        world.members.self_id = node->id;
        set_moment(node, &input.present.now);
        input.present.boot_seen_usec = 7;
        memset(world.decisions, 0xff, sizeof(*world.decisions) * world.count);
        assert_int_equal(retention_decide(&input, world.decisions), 0);
}

bool is_deleted(size_t i)
{
        return world.decisions[i].verdict == RETENTION_DELETE;
}

size_t carry_out(void)
{
        size_t kept = 0, before = world.count;

        for (size_t i = 0; i < world.count; i++) {
                if (is_deleted(i)) {
                        world.free += world.copies[i].size;
                        continue;
                }
                world.copies[kept] = world.copies[i];
                world.facts[kept++] = world.facts[i];
        }
        world.count = kept;
        return before - kept;
}

void set_tiers(const struct retention_tier *tiers, size_t count)
{
        memcpy(world.tiers, tiers, count * sizeof(*tiers));
        world.rules.tiers = (struct config_objects){ .items = world.tiers, .count = count };
}
