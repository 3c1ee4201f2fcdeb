/* SPDX-License-Identifier: Apache-2.0 */

/* Which units count: the looks carry the clock. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "quantity.h"
#include "units.h"

#define START_USEC (100 * USEC_PER_SEC)

struct fixture {
        struct units_watch watch;
        struct check_result result;
        uint64_t now;
};

static int open_fixture(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        f->now = START_USEC;
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        free(*state);
        return 0;
}

/* A look, one minute after the one before; names ends with NULL. */
static enum check_status look(struct fixture *f, const char *const *names)
{
        f->now += USEC_PER_MIN;
        f->watch.n_suspects = 0;
        for (; *names; names++) {
                struct unit_suspect *suspect = &f->watch.suspects[f->watch.n_suspects++];

                *suspect = (struct unit_suspect){ .trouble = UNIT_FAILED };
                (void)snprintf(suspect->name, sizeof(suspect->name), "%s", *names);
        }
        units_judge(&f->watch, f->now, &f->result);
        return f->result.status;
}

#define LOOK(f, ...) look(f, (const char *const[]){ __VA_ARGS__, NULL })

static const char *const none[] = { NULL };

static void five_units_that_fail_for_a_minute_each_are_no_news(void **state)
{
        static const char *const names[] = { "a.service", "b.service", "c.service", "d.service",
                                             "e.service", "f.service", "g.service", "h.service" };
        struct fixture *f = *state;

        assert_int_equal(look(f, none), CHECK_OK);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                assert_int_equal(LOOK(f, names[i]), CHECK_OK);
                assert_non_null(strstr(f->result.message, names[i]));
        }
}

static void one_that_stays_failed_counts_and_is_named_alone(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(look(f, none), CHECK_OK);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(LOOK(f, "broken.service"), CHECK_OK);
        assert_int_equal(LOOK(f, "new.service", "broken.service"), CHECK_FAIL);
        assert_string_equal(f->result.reason, "UnitsFailed");
        assert_non_null(strstr(f->result.message, "broken.service"));
        assert_null(strstr(f->result.message, "new.service"));
        assert_true(f->result.value == 1);
        assert_int_equal(LOOK(f, "new.service"), CHECK_OK);
}

static void one_that_was_well_in_between_begins_anew(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(look(f, none), CHECK_OK);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(i % 4 == 3 ? look(f, none) : LOOK(f, "flaps.service"), CHECK_OK);
}

/* Failed, starting, failed: it is the same trouble. */
static void another_kind_of_trouble_goes_on(void **state)
{
        struct fixture *f = *state;

        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(LOOK(f, "loops.service"), CHECK_UNKNOWN);
                f->watch.before[0].trouble = i % 2 == 0 ? UNIT_STARTING : UNIT_FAILED;
        }
        assert_int_equal(LOOK(f, "loops.service"), CHECK_FAIL);
}

static void at_the_start_nothing_is_said_of_what_may_still_come_up(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(LOOK(f, "slow.service"), CHECK_UNKNOWN);
        assert_string_equal(f->result.reason, "NotConfirmedYet");
        assert_int_equal(look(f, none), CHECK_OK);
        assert_int_equal(LOOK(f, "slow.service"), CHECK_OK);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(five_units_that_fail_for_a_minute_each_are_no_news),
                TEST(one_that_stays_failed_counts_and_is_named_alone),
                TEST(one_that_was_well_in_between_begins_anew),
                TEST(another_kind_of_trouble_goes_on),
                TEST(at_the_start_nothing_is_said_of_what_may_still_come_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
