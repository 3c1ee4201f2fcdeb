/* SPDX-License-Identifier: Apache-2.0 */

/* Retention, by examples. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "retention-world.h"

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
