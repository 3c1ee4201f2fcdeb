/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing here waits: the tests carry the clock. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "quantity.h"
#include "standing.h"

#define INTERVAL_USEC (30 * USEC_PER_SEC)

static const struct standing_rules rules = { .demote = true,
                                             .interval_usec = INTERVAL_USEC,
                                             .settled_usec = 5 * INTERVAL_USEC };

struct fixture {
        struct standing standing;
        uint64_t now;
        unsigned changes, rewrites; /* of demoted */
};

static void feed(struct fixture *f, enum probe_state state)
{
        const struct probe_result result = { .state = state };
        bool before = f->standing.demoted;

        f->now += INTERVAL_USEC;
        f->changes += standing_note(&f->standing, &result, &rules, f->now);
        f->rewrites += f->standing.demoted != before;
}

static void feed_many(struct fixture *f, enum probe_state state, unsigned count)
{
        while (count-- > 0)
                feed(f, state);
}

static void the_first_answer_counts_at_once(void **state)
{
        struct fixture good = {}, bad = {};

        feed(&good, PROBE_ANSWERS);
        assert_int_equal(good.standing.state, PROBE_ANSWERS);
        feed(&bad, PROBE_TIMES_OUT);
        assert_int_equal(bad.standing.state, PROBE_TIMES_OUT);
}

static void one_bad_answer_among_good_ones_is_no_news(void **state)
{
        struct fixture f = {};

        feed(&f, PROBE_ANSWERS);
        f.changes = 0;
        for (unsigned i = 0; i < 100; i++) {
                feed(&f, PROBE_FAILS);
                assert_int_equal(f.standing.state, PROBE_ANSWERS);
                assert_int_equal(f.standing.last.state, PROBE_FAILS);
                feed(&f, PROBE_ANSWERS);
        }
        assert_int_equal(f.changes, 0);
        feed_many(&f, PROBE_FAILS, 2);
        assert_int_equal(f.standing.state, PROBE_FAILS);
        assert_int_equal(f.changes, 1);
}

static void one_good_answer_ends_a_bad_state(void **state)
{
        struct fixture f = {};

        feed_many(&f, PROBE_DENIES, 5);
        feed(&f, PROBE_ANSWERS);
        assert_int_equal(f.standing.state, PROBE_ANSWERS);
}

static void bad_in_another_way_is_told_at_once(void **state)
{
        struct fixture f = {};

        feed(&f, PROBE_UNREACHABLE);
        feed(&f, PROBE_FAILS);
        assert_int_equal(f.standing.state, PROBE_FAILS);
}

static void what_is_said_of_a_state_does_not_change_with_every_probe(void **state)
{
        struct standing standing = {};

        for (unsigned i = 1; i < 10; i++) {
                struct probe_result result = { .state = PROBE_TIMES_OUT };

                (void)snprintf(result.detail, sizeof(result.detail), "timed out after %u ms", 500 + i);
                standing_note(&standing, &result, &rules, i * INTERVAL_USEC);
        }
        assert_string_equal(standing.detail, "timed out after 501 ms");
        assert_string_equal(standing.last.detail, "timed out after 509 ms");
}

static void the_third_dead_answer_in_a_row_demotes(void **state)
{
        static const enum probe_state dead[] = { PROBE_FAILS, PROBE_REFUSES_TLS, PROBE_TIMES_OUT,
                                                 PROBE_UNREACHABLE };

        for (size_t i = 0; i < ELEMENTS(dead); i++) {
                struct fixture f = {};

                feed_many(&f, dead[i], 2);
                assert_false(f.standing.demoted);
                feed(&f, dead[i]);
                assert_true(f.standing.demoted);
        }
}

static void who_answers_no_is_never_demoted(void **state)
{
        static const enum probe_state alive[] = { PROBE_ANSWERS, PROBE_THROTTLES, PROBE_DENIES,
                                                  PROBE_NEEDS_TOKEN, PROBE_NO_REGISTRY };

        for (size_t i = 0; i < ELEMENTS(alive); i++) {
                struct fixture f = {};

                feed_many(&f, alive[i], 1000);
                assert_false(f.standing.demoted);
        }
}

static void dead_now_and_then_is_never_demoted(void **state)
{
        struct fixture f = {};

        for (unsigned i = 0; i < 1000; i++) {
                feed_many(&f, PROBE_TIMES_OUT, 2);
                feed(&f, PROBE_ANSWERS);
        }
        assert_false(f.standing.demoted);
        assert_int_equal(f.rewrites, 0);
}

static void comes_back_after_three_answers_and_a_minute(void **state)
{
        struct fixture f = {};

        feed_many(&f, PROBE_UNREACHABLE, 3);
        feed_many(&f, PROBE_ANSWERS, 2);
        assert_true(f.standing.demoted);
        assert_int_equal(f.standing.state, PROBE_ANSWERS);
        feed(&f, PROBE_ANSWERS);
        assert_false(f.standing.demoted);
}

static void quick_answers_do_not_shorten_the_minute(void **state)
{
        const struct probe_result good = { .state = PROBE_ANSWERS };
        struct fixture f = {};

        feed_many(&f, PROBE_UNREACHABLE, 3);
        for (unsigned i = 1; i < 60; i++) {
                standing_note(&f.standing, &good, &rules, f.now + i * USEC_PER_SEC);
                assert_true(f.standing.demoted);
        }
        standing_note(&f.standing, &good, &rules, f.now + 60 * USEC_PER_SEC);
        assert_false(f.standing.demoted);
}

/* Dead for three probes, good for three, all day: 480 rounds without the growing hold. */
static void one_that_comes_and_goes_is_rewritten_less_and_less_often(void **state)
{
        struct fixture f = {};

        while (f.now < USEC_PER_DAY) {
                feed_many(&f, PROBE_UNREACHABLE, 3);
                feed_many(&f, PROBE_ANSWERS, 3);
        }
        assert_in_range(f.rewrites, 10, 100);
        assert_int_equal(f.standing.hold, STANDING_HOLD_MAX);
}

static void an_hour_of_peace_makes_the_hold_short_again(void **state)
{
        struct fixture f = {};

        for (unsigned i = 0; i < 3; i++) {
                feed_many(&f, PROBE_UNREACHABLE, 3);
                while (f.standing.demoted)
                        feed(&f, PROBE_ANSWERS);
        }
        assert_int_equal(f.standing.hold, 4 * STANDING_HOLD);
        feed_many(&f, PROBE_ANSWERS, 130);
        feed_many(&f, PROBE_UNREACHABLE, 3);
        assert_int_equal(f.standing.hold, STANDING_HOLD);
}

static void without_the_switch_nobody_is_demoted(void **state)
{
        const struct standing_rules off = { .interval_usec = INTERVAL_USEC };
        const struct probe_result dead = { .state = PROBE_TIMES_OUT };
        struct standing standing = {};

        for (unsigned i = 1; i < 1000; i++)
                assert_int_equal(standing_note(&standing, &dead, &off, i * INTERVAL_USEC), i == 1);
        assert_false(standing.demoted);
}

static void dead_for_a_week_is_one_change(void **state)
{
        struct fixture f = {};

        feed(&f, PROBE_ANSWERS);
        f.changes = 0;
        feed_many(&f, PROBE_TIMES_OUT, 7 * 24 * 120);
        assert_int_equal(f.changes, 2);
        assert_int_equal(f.rewrites, 1);
        assert_true(f.standing.demoted);
}

static const struct standing_rules quiet = { .interval_usec = INTERVAL_USEC,
                                             .settled_usec = 5 * INTERVAL_USEC };

static void feed_quiet(struct fixture *f, enum probe_state state)
{
        const struct probe_result result = { .state = state };

        f->now += INTERVAL_USEC;
        f->changes += standing_note(&f->standing, &result, &quiet, f->now);
}

static void who_answers_three_times_is_asked_less_often_until_it_does_not(void **state)
{
        struct fixture f = {};

        for (unsigned i = 0; i < 2; i++) {
                feed_quiet(&f, PROBE_ANSWERS);
                assert_int_equal(standing_interval(&f.standing, &quiet), INTERVAL_USEC);
        }
        feed_quiet(&f, PROBE_ANSWERS);
        assert_int_equal(standing_interval(&f.standing, &quiet), 5 * INTERVAL_USEC);
        feed_quiet(&f, PROBE_FAILS); /* no news yet, but asked again soon */
        assert_int_equal(f.standing.state, PROBE_ANSWERS);
        assert_int_equal(standing_interval(&f.standing, &quiet), INTERVAL_USEC);
        feed_quiet(&f, PROBE_FAILS);
        assert_int_equal(f.standing.state, PROBE_FAILS);
        assert_int_equal(standing_interval(&f.standing, &quiet), INTERVAL_USEC);
}

static void an_interval_that_is_longer_is_kept(void **state)
{
        struct standing_rules hour = { .interval_usec = USEC_PER_HOUR, .settled_usec = 5 * USEC_PER_MIN };
        struct fixture f = {};

        for (unsigned i = 0; i < 3; i++)
                feed_quiet(&f, PROBE_ANSWERS);
        assert_int_equal(standing_interval(&f.standing, &hour), USEC_PER_HOUR);
}

static void where_the_dead_are_demoted_everybody_is_asked_each_interval(void **state)
{
        struct fixture f = {};

        feed_many(&f, PROBE_ANSWERS, 100);
        assert_int_equal(standing_interval(&f.standing, &rules), INTERVAL_USEC);
}

/* After a rest: nothing is known until it was asked, and one bad answer is as little news as before. */
static void who_was_good_before_a_rest_is_bad_after_two_answers(void **state)
{
        struct fixture f = { .standing.was_good = true };

        assert_int_equal(f.standing.state, PROBE_UNKNOWN);
        feed_quiet(&f, PROBE_TIMES_OUT);
        assert_int_equal(f.standing.state, PROBE_UNKNOWN);
        assert_int_equal(standing_interval(&f.standing, &quiet), INTERVAL_USEC);
        feed_quiet(&f, PROBE_TIMES_OUT);
        assert_int_equal(f.standing.state, PROBE_TIMES_OUT);

        f = (struct fixture){ .standing.was_good = true };
        feed_quiet(&f, PROBE_ANSWERS);
        assert_int_equal(f.standing.state, PROBE_ANSWERS);
        assert_int_equal(standing_interval(&f.standing, &quiet), 5 * INTERVAL_USEC);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_answer_counts_at_once),
                cmocka_unit_test(one_bad_answer_among_good_ones_is_no_news),
                cmocka_unit_test(one_good_answer_ends_a_bad_state),
                cmocka_unit_test(bad_in_another_way_is_told_at_once),
                cmocka_unit_test(what_is_said_of_a_state_does_not_change_with_every_probe),
                cmocka_unit_test(the_third_dead_answer_in_a_row_demotes),
                cmocka_unit_test(who_answers_no_is_never_demoted),
                cmocka_unit_test(dead_now_and_then_is_never_demoted),
                cmocka_unit_test(comes_back_after_three_answers_and_a_minute),
                cmocka_unit_test(quick_answers_do_not_shorten_the_minute),
                cmocka_unit_test(one_that_comes_and_goes_is_rewritten_less_and_less_often),
                cmocka_unit_test(an_hour_of_peace_makes_the_hold_short_again),
                cmocka_unit_test(without_the_switch_nobody_is_demoted),
                cmocka_unit_test(dead_for_a_week_is_one_change),
                cmocka_unit_test(who_answers_three_times_is_asked_less_often_until_it_does_not),
                cmocka_unit_test(an_interval_that_is_longer_is_kept),
                cmocka_unit_test(where_the_dead_are_demoted_everybody_is_asked_each_interval),
                cmocka_unit_test(who_was_good_before_a_rest_is_bad_after_two_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
