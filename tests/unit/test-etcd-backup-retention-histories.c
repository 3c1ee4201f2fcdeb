/* SPDX-License-Identifier: Apache-2.0 */

/* Retention, in thousands of random histories: an oracle that knows what really happened looks at each
 * decision. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "retention-world.h"

/* xorshift64*: the same on every machine. */
static uint64_t random_number(uint64_t below)
{
        world.random ^= world.random >> 12;
        world.random ^= world.random << 25;
        world.random ^= world.random >> 27;
        return (world.random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

static bool one_in(uint64_t n)
{
        return random_number(n) == 0;
}

static size_t pick_alive(void)
{
        for (;;) {
                size_t i = random_number(world.n_nodes);

                if (world.nodes[i].alive)
                        return i;
        }
}

static void random_rules(void)
{
        struct retention_tier tiers[4] = {};
        uint64_t every = (1 + random_number(6)) * 10 * USEC_PER_MIN;
        size_t n = random_number(5);

        world.rules.keep_verified = 1 + (int64_t)random_number(4);
        world.rules.keep_last = one_in(2) ? (int64_t)random_number(8) : 0;
        for (size_t i = 0; i < n; i++, every *= 2 + random_number(5))
                tiers[i] = (struct retention_tier){ every, i + 1 == n && one_in(3)
                                                                   ? 0
                                                                   : every * (1 + random_number(10)) };
        set_tiers(tiers, n);
        if (one_in(4))
                world.rules.max_age_usec = (1 + random_number(48)) * USEC_PER_HOUR;
        if (one_in(4))
                world.rules.max_bytes = 100 + random_number(2000);
        if (one_in(4)) {
                world.rules.min_free = (char *)"20%";
                world.capacity = 1000 + random_number(20000);
        }
}

static void random_event(void)
{
        size_t i = pick_alive();
        struct node *node = &world.nodes[i];

        if (one_in(12) && world.n_nodes < NODES_MAX) {
                node->alive = false;
                join(1 + random_number(1000000));
        } else if (one_in(15)) {
                boot_node(node);
        } else if (one_in(15) && !world.clocks_right) {
                node->error = ((int64_t)random_number(5) - 2) * (int64_t)USEC_PER_DAY;
        }
        if (one_in(10) && world.count > 0)
                world.copies[random_number(world.count)].whole = false;
        if (one_in(15) && world.count > 0)
                world.copies[random_number(world.count)].walked = false;
        if (one_in(20) && world.count > 0) {
                size_t foreign = random_number(world.count);

                if (one_in(2))
                        world.copies[foreign].authentic = false;
                else
                        world.copies[foreign].cluster_id = CLUSTER + 1;
                world.facts[foreign].node = NODES_MAX;
        }
}

static bool is_ours(size_t i)
{
        return world.facts[i].node < NODES_MAX;
}

static size_t newer_whole(size_t than, size_t of_node, bool walked, bool alive)
{
        size_t n = 0;

        for (size_t i = 0; i < world.count; i++)
                n += is_ours(i) && world.copies[i].whole && (!walked || world.copies[i].walked) &&
                     world.facts[i].order > world.facts[than].order &&
                     (of_node == NODES_MAX || world.facts[i].node == of_node) &&
                     (!alive || world.nodes[world.facts[i].node].alive) && !(alive && is_deleted(i));
        return n;
}

static uint64_t lowest_id(void)
{
        uint64_t lowest = UINT64_MAX;

        for (size_t i = 0; i < world.n_nodes; i++)
                if (world.nodes[i].alive && world.nodes[i].id < lowest)
                        lowest = world.nodes[i].id;
        return lowest;
}

/* A copy of this boot shows that the clock was another, and none after it shows that it has lasted. */
static bool clock_jumped(size_t me)
{
        const struct node *node = &world.nodes[me];
        uint64_t last_other = 0;
        bool other = false;

        for (size_t i = 0; i < world.count; i++)
                if (world.facts[i].node == me && world.facts[i].boot == node->boot &&
                    world.facts[i].error != node->error && world.facts[i].order > last_other) {
                        last_other = world.facts[i].order;
                        other = true;
                }
        for (size_t i = 0; i < world.count && other; i++)
                if (world.facts[i].node == me && world.facts[i].boot == node->boot &&
                    world.facts[i].order > last_other && world.now - world.facts[i].taken >= USEC_PER_DAY)
                        other = false;
        return other;
}

/* The machine seems to have been off for hours before this boot, which is not a day old. */
static bool was_off(size_t me)
{
        const struct node *node = &world.nodes[me];
        const struct fact *newest = NULL;

        for (size_t i = 0; i < world.count; i++)
                if (world.facts[i].node == me && world.facts[i].boot != node->boot)
                        newest = &world.facts[i];
        return newest && world.now - node->booted < USEC_PER_DAY &&
               node->booted - newest->taken > 6 * USEC_PER_HOUR;
}

static void check_deletion(size_t me, size_t i)
{
        size_t of = world.facts[i].node;
        bool mine = of == me;
        size_t newest = (size_t)world.rules.keep_verified;

        assert_true(is_ours(i));
        assert_true(mine || (!world.nodes[of].alive && world.nodes[me].id == lowest_id()));
        assert_false(clock_jumped(me));
        assert_false(world.clocks_right && was_off(me));
        assert_true(newer_whole(i, NODES_MAX, false, true) >= 1);
        assert_true(newer_whole(i, mine ? me : NODES_MAX, false, false) >= newest || !world.copies[i].whole);
        if (world.copies[i].whole && world.copies[i].walked)
                assert_true(newer_whole(i, mine ? me : NODES_MAX, true, false) >= newest);
}

static bool has_limits(void)
{
        return world.rules.max_age_usec > 0 || world.rules.max_bytes > 0 || world.rules.min_free;
}

static void check_tier(size_t me, const struct retention_tier *tier)
{
        for (size_t i = 0; i < world.count; i++) {
                bool survives = false;

                if (world.facts[i].node != me || !world.copies[i].whole ||
                    (tier->for_usec > 0 && world.now - world.facts[i].taken > tier->for_usec))
                        continue;
                for (size_t j = 0; j < world.count && !survives; j++)
                        survives = !is_deleted(j) && world.facts[j].node == me && world.copies[j].whole &&
                                   world.facts[j].taken / tier->every_usec ==
                                           world.facts[i].taken / tier->every_usec;
                assert_true(survives);
        }
}

/* Where no limit takes them, the newest by number and one of each step are there still. */
static void check_wanted(size_t me)
{
        for (size_t i = 0; i < world.count; i++)
                if (is_deleted(i) && world.facts[i].node == me && world.copies[i].whole)
                        assert_true(newer_whole(i, me, false, false) >= (size_t)world.rules.keep_last);
        for (size_t i = 0; i < world.rules.tiers.count && world.clocks_right; i++)
                check_tier(me, &world.tiers[i]);
}

static void check_budget(size_t me)
{
        uint64_t size = 0;
        size_t kept = 0, damaged = 0;

        for (size_t i = 0; i < world.count; i++) {
                if (world.facts[i].node != me || is_deleted(i))
                        continue;
                size += world.copies[i].size;
                damaged += !world.copies[i].whole;
                kept++;
        }
        if (world.rules.max_bytes > 0 && size > world.rules.max_bytes && world.clocks_right && !was_off(me))
                assert_true(kept - damaged <= 2 * (size_t)world.rules.keep_verified);
}

/* What nobody asks for is gone. */
static void check_bound(size_t me)
{
        size_t bound = 2 * (size_t)world.rules.keep_verified + (size_t)retention_keep_last(&world.rules),
               whole = 0;

        if (!world.clocks_right || was_off(me) || retention_keep_last(&world.rules) == UINT64_MAX)
                return;
        for (size_t i = 0; i < world.rules.tiers.count; i++)
                bound += (world.tiers[i].for_usec > 0 ? world.tiers[i].for_usec : world.now - BEGIN) /
                                 world.tiers[i].every_usec +
                         2;
        for (size_t i = 0; i < world.count; i++)
                whole += world.facts[i].node == me && world.copies[i].whole && !is_deleted(i);
        assert_true(whole <= bound);
}

static void check_decisions(size_t me)
{
        for (size_t i = 0; i < world.count; i++) {
                assert_true(world.decisions[i].why[0] != '\0');
                assert_true(memchr(world.decisions[i].why, '\0', RETENTION_WHY_MAX) != NULL);
                if (is_deleted(i))
                        check_deletion(me, i);
                if (!is_ours(i))
                        assert_int_equal(world.decisions[i].verdict, RETENTION_FOREIGN);
        }
        if (!has_limits())
                check_wanted(me);
        check_budget(me);
        check_bound(me);
}

static size_t live_history(uint64_t seed)
{
        size_t pruned = 0;

        clear_world(seed);
        world.clocks_right = one_in(2);
        random_rules();
        for (unsigned i = 0; i < LIVE_MAX; i++)
                join(1 + random_number(1000000));
        for (unsigned step = 0; step < 60; step++) {
                size_t me = pick_alive();

                /* Not longer than what may be a clock that lost its battery. */
                world.now += (1 + random_number(90)) * USEC_PER_MIN;
                random_event();
                if (!world.nodes[me].alive)
                        continue;
                (void)take_copy(me);
                world.free = world.capacity > 100 * world.count ? world.capacity - 100 * world.count : 0;
                decide_at(me);
                check_decisions(me);
                pruned += carry_out();

                /* What went may have been all that told how young an older one must be. */
                decide_at(me);
                if (carry_out() > 0 && world.clocks_right)
                        fail_msg("a second run prunes more");
        }
        return pruned;
}

static void no_history_breaks_an_invariant(void **state)
{
        size_t pruned = 0;

        for (uint64_t seed = 1; seed <= 4000; seed++)
                pruned += live_history(seed);
        assert_true(pruned > 20000); /* else it proves nothing */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_history_breaks_an_invariant),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
