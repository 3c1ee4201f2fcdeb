/* SPDX-License-Identifier: Apache-2.0 */

/* Retention, by examples, and by thousands of random histories in which an oracle that knows what really
 * happened looks at each decision. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "configuration.h"
#include "quantity.h"
#include "retention.h"
#include "retention-clock.h"

#define CLUSTER   UINT64_C(0xc1)
#define BEGIN     (UINT64_C(1795255200) * USEC_PER_SEC) /* 2026-11-21T10:00:00Z */
#define COPIES    4096
#define NODES_MAX 64
#define LIVE_MAX  3

/* ---- a small world: a cluster, its nodes with their clocks, one target ---- */

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

static struct world world;

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

static void clear_world(uint64_t seed)
{
        member_list_clear(&world.members);
        world = (struct world){ .random = seed * 2 + 1, .now = BEGIN, .clocks_right = true };
        world.rules.keep_verified = 1;
        world.members.cluster_id = CLUSTER;
}

static void boot_node(struct node *node)
{
        node->booted = world.now;
        node->boot = ++world.boots;
}

static void join(uint64_t id)
{
        struct node *node = &world.nodes[world.n_nodes];

        assert_true(world.n_nodes < NODES_MAX);
        *node = (struct node){ .id = id, .alive = true };
        (void)snprintf(node->name, sizeof(node->name), "cp-%zu", world.n_nodes++);
        boot_node(node);
}

static size_t pick_alive(void)
{
        for (;;) {
                size_t i = random_number(world.n_nodes);

                if (world.nodes[i].alive)
                        return i;
        }
}

static void ask_members(void)
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

static struct retention_copy *take_copy(size_t i)
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

static void decide_at(size_t i)
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

static bool is_deleted(size_t i)
{
        return world.decisions[i].verdict == RETENTION_DELETE;
}

static size_t carry_out(void)
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

static void set_tiers(const struct retention_tier *tiers, size_t count)
{
        memcpy(world.tiers, tiers, count * sizeof(*tiers));
        world.rules.tiers = (struct config_objects){ .items = world.tiers, .count = count };
}

/* SCS-0215 as the manual has it. */
static const struct retention_tier scs_tiers[] = {
        { 10 * USEC_PER_MIN, 2 * USEC_PER_HOUR },  { USEC_PER_HOUR, USEC_PER_DAY },
        { USEC_PER_DAY, 14 * USEC_PER_DAY },       { 7 * USEC_PER_DAY, 91 * USEC_PER_DAY },
        { 30 * USEC_PER_DAY, 730 * USEC_PER_DAY }, { 365 * USEC_PER_DAY, 0 },
};

static size_t count_of(size_t node)
{
        size_t n = 0;

        for (size_t i = 0; i < world.count; i++)
                n += world.facts[i].node == node;
        return n;
}

/* ---- examples ---- */

/* The newest first: 'w' whole and walked, 'h' whole but only hashed, 'd' damaged, 'f' foreign; expects 'k'
 * kept, 'r' removed, 'n' not touched. */
static void assert_decided(const char *given, const char *expected)
{
        char decided[64] = "";
        size_t n = strlen(given);

        world.count = world.nodes[0].sequence = 0;
        for (size_t i = n; i-- > 0;) {
                struct retention_copy *copy;

                world.now += USEC_PER_HOUR;
                copy = take_copy(0);
                copy->whole = given[i] != 'd';
                copy->walked = given[i] == 'w';
                copy->cluster_id = given[i] == 'f' ? CLUSTER + 1 : CLUSTER;
        }
        decide_at(0);
        for (size_t i = 0; i < n; i++)
                decided[i] = "krn"[world.decisions[n - 1 - i].verdict];
        assert_string_equal(decided, expected);
}

static int one_node(void **state)
{
        clear_world(1);
        join(1);
        return 0;
}

static void keeps_the_newest_verified_copies(void **state)
{
        world.rules.keep_last = 3;
        assert_decided("", "");
        assert_decided("ww", "kk");
        assert_decided("wwwww", "kkkrr");
        world.rules.keep_last = 1;
        assert_decided("www", "krr");
        world.rules.keep_verified = 2;
        assert_decided("www", "kkr");
}

static void keeps_twelve_when_no_rule_says_how_many(void **state)
{
        assert_decided("wwwwwwwwwwwwww", "kkkkkkkkkkkkrr");
        world.rules.max_age_usec = 100 * USEC_PER_DAY;
        assert_decided("wwwwwwwwwwwwww", "kkkkkkkkkkkkkk");
}

static void damaged_copies_count_for_nothing(void **state)
{
        world.rules.keep_last = 2;
        assert_decided("dwww", "kkkr");
        assert_decided("ddd", "kkk");
        assert_decided("wdwdw", "kkkrr");
        world.rules.keep_last = 1;
        assert_decided("dddw", "kkkk");
}

static void a_copy_that_was_walked_through_stays_when_newer_ones_were_not(void **state)
{
        world.rules.keep_last = 1;
        assert_decided("hhhww", "krrkr");
}

static void never_touches_another_clusters_copies(void **state)
{
        world.rules.keep_last = 1;
        assert_decided("wfwf", "knrn");
}

static void tiers_keep_the_newest_of_each_step(void **state)
{
        const struct retention_tier tiers[] = { { 2 * USEC_PER_HOUR, 6 * USEC_PER_HOUR },
                                                { USEC_PER_DAY, 0 } };

        set_tiers(tiers, 2);
        world.now = BEGIN / USEC_PER_DAY * USEC_PER_DAY + 12 * USEC_PER_HOUR;
        /* Taken from 13:00 to 22:00; the even hours begin a step. */
        assert_decided("wwwwwwwwww", "kkrkrkrrrr");
        assert_non_null(strstr(world.decisions[world.count - 2].why, "the newest of the 2h from"));
}

static void too_old_copies_go_but_never_the_newest(void **state)
{
        world.rules.max_age_usec = 2 * USEC_PER_HOUR;
        assert_decided("wwwww", "kkkrr");
        world.count = 0;
        (void)take_copy(0);
        world.now += 100 * USEC_PER_DAY;
        decide_at(0);
        assert_int_equal(world.decisions[0].verdict, RETENTION_KEEP);
}

static void the_oldest_go_until_the_budget_holds_but_never_the_newest(void **state)
{
        world.rules.max_bytes = 250;
        assert_decided("wwwww", "kkrrr");
        world.rules.max_bytes = 10;
        assert_decided("wwwww", "krrrr");
}

static void the_oldest_go_until_enough_is_free(void **state)
{
        world.rules.min_free = (char *)"10%";
        world.capacity = 5000;
        world.free = 250;
        assert_decided("wwwww", "kkrrr");
        world.free = 0;
        world.rules.min_free = (char *)"1G";
        assert_decided("wwwww", "krrrr");
        world.free = 500;
        world.rules.min_free = (char *)"10%";
        assert_decided("wwwww", "kkkkk");
}

static void an_unauthentic_copy_is_never_touched_and_counts_for_nothing(void **state)
{
        world.rules.keep_last = 1;
        (void)take_copy(0);
        (void)take_copy(0);
        take_copy(0)->authentic = false;
        decide_at(0);
        assert_int_equal(world.decisions[0].verdict, RETENTION_DELETE);
        assert_int_equal(world.decisions[1].verdict, RETENTION_KEEP);
        assert_int_equal(world.decisions[2].verdict, RETENTION_FOREIGN);
        assert_non_null(strstr(world.decisions[2].why, "HMAC"));
}

static void take_each(uint64_t step, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                world.now += step;
                (void)take_copy(0);
        }
}

static void does_not_act_when_the_clock_jumped(void **state)
{
        static const int64_t days[] = { 1, -1, 365 };

        for (size_t i = 0; i < ELEMENTS(days); i++) {
                (void)one_node(state);
                world.rules.keep_last = 1;
                take_each(USEC_PER_HOUR, 3);
                world.nodes[0].error = days[i] * (int64_t)USEC_PER_DAY;
                take_each(USEC_PER_HOUR, 2);
                decide_at(0);
                assert_int_equal(carry_out(), 0);
                assert_non_null(strstr(world.decisions[0].why, "the clock has lasted a day: it was set by"));

                /* A day later nobody has set it back: it is right now, or nobody cares. */
                take_each(USEC_PER_HOUR, 24);
                decide_at(0);
                assert_true(carry_out() > 0);
        }
}

static void does_not_act_when_the_clock_jumped_over_a_boot(void **state)
{
        static const int64_t days[] = { 1, -1, 365 };

        for (size_t i = 0; i < ELEMENTS(days); i++) {
                (void)one_node(state);
                world.rules.keep_last = 1;
                take_each(USEC_PER_HOUR, 3);
                boot_node(&world.nodes[0]);
                world.nodes[0].error = days[i] * (int64_t)USEC_PER_DAY;
                take_each(USEC_PER_HOUR, 2);
                decide_at(0);
                assert_int_equal(carry_out(), 0);
                assert_non_null(strstr(world.decisions[0].why, "in the first day of this boot"));
        }
}

static void a_clock_that_was_set_right_soon_after_boot_is_believed_a_day_later(void **state)
{
        world.rules.keep_last = 2;
        world.nodes[0].error = -1000 * (int64_t)USEC_PER_DAY;
        take_each(USEC_PER_HOUR, 1);
        world.nodes[0].error = 0;
        take_each(USEC_PER_HOUR, 20);
        decide_at(0);
        assert_int_equal(carry_out(), 0);
        take_each(USEC_PER_HOUR, 10);
        decide_at(0);
        assert_int_equal(carry_out(), 29);
}

static void only_the_lowest_member_prunes_for_nodes_that_have_left(void **state)
{
        join(2);
        join(3);
        world.rules.keep_last = 2;
        for (unsigned i = 0; i < 5; i++)
                for (size_t node = 0; node < 3; node++) {
                        world.now += USEC_PER_HOUR;
                        (void)take_copy(node);
                }
        world.nodes[2].alive = false;
        (void)take_copy(0);
        (void)take_copy(1);

        decide_at(1);
        (void)carry_out();
        assert_int_equal(count_of(1), 2);
        assert_int_equal(count_of(2), 5);
        decide_at(0);
        (void)carry_out();
        assert_int_equal(count_of(0), 2);
        assert_true(count_of(2) < 2);
}

static void copies_of_a_member_that_joined_since_are_not_taken_for_a_leavers(void **state)
{
        world.rules.keep_last = 1;
        (void)take_copy(0);
        ask_members();
        world.members.self_id = 1;
        join(2);
        for (unsigned i = 0; i < 5; i++)
                (void)take_copy(1);
        assert_int_equal(retention_decide(&(struct retention_input){ .rules = &world.rules,
                                                                     .copies = world.copies,
                                                                     .count = world.count,
                                                                     .node = "cp-0",
                                                                     .cluster_id = CLUSTER,
                                                                     .members = &world.members },
                                          world.decisions),
                         0);
        for (size_t i = 1; i < world.count; i++)
                assert_int_equal(world.decisions[i].verdict, RETENTION_FOREIGN);
}

/* Each node is replaced, five times; a year goes by. */
static void five_rollouts_leave_a_bounded_bucket(void **state)
{
        size_t most = 0;

        join(500);
        join(501);
        set_tiers(scs_tiers, ELEMENTS(scs_tiers));
        world.rules.keep_verified = 3;
        for (unsigned rollout = 0; rollout <= 5; rollout++) {
                for (unsigned i = 0; i < LIVE_MAX && rollout > 0; i++) {
                        size_t oldest = 0;

                        while (!world.nodes[oldest].alive)
                                oldest++;
                        world.nodes[oldest].alive = false;
                        join(rollout * 100 % 350 + i); /* ids are random: the lowest may come from any */
                }
                for (unsigned i = 0; i < 60 * 12; i++) {
                        world.now += 2 * USEC_PER_HOUR;
                        for (size_t node = 0; node < world.n_nodes; node++) {
                                if (!world.nodes[node].alive)
                                        continue;
                                world.now += USEC_PER_MIN;
                                (void)take_copy(node);
                                decide_at(node);
                                (void)carry_out();
                        }
                        most = world.count > most ? world.count : most;
                }
        }

        /* A line holds 12 + 24 + 14 + 13 + 24 steps at most and what begins and ends within one, and a
         * year's; with copies every two hours, it is far less: one for each live node, one for all that have
         * left. */
        assert_true(most <= (LIVE_MAX + 1) * 56);
        for (size_t node = 0; node < world.n_nodes - LIVE_MAX; node++)
                assert_true(count_of(node) <= 20);
}

/* ---- random histories ---- */

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

#define IN_WORLD(f) cmocka_unit_test_setup(f, one_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_WORLD(keeps_the_newest_verified_copies),
                IN_WORLD(keeps_twelve_when_no_rule_says_how_many),
                IN_WORLD(damaged_copies_count_for_nothing),
                IN_WORLD(a_copy_that_was_walked_through_stays_when_newer_ones_were_not),
                IN_WORLD(never_touches_another_clusters_copies),
                IN_WORLD(tiers_keep_the_newest_of_each_step),
                IN_WORLD(too_old_copies_go_but_never_the_newest),
                IN_WORLD(the_oldest_go_until_the_budget_holds_but_never_the_newest),
                IN_WORLD(the_oldest_go_until_enough_is_free),
                IN_WORLD(an_unauthentic_copy_is_never_touched_and_counts_for_nothing),
                IN_WORLD(does_not_act_when_the_clock_jumped),
                IN_WORLD(does_not_act_when_the_clock_jumped_over_a_boot),
                IN_WORLD(a_clock_that_was_set_right_soon_after_boot_is_believed_a_day_later),
                IN_WORLD(only_the_lowest_member_prunes_for_nodes_that_have_left),
                IN_WORLD(copies_of_a_member_that_joined_since_are_not_taken_for_a_leavers),
                IN_WORLD(five_rollouts_leave_a_bounded_bucket),
                cmocka_unit_test(no_history_breaks_an_invariant),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
