/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "aggregate.h"

static const struct check table[] = {
        { .name = "root", .summary = "root is fine", .condition = "Storage", .severity = SEVERITY_FATAL },
        { .name = "other", .summary = "other is fine", .condition = "Other", .severity = SEVERITY_FATAL },
        { .name = "space", .summary = "space is fine", .condition = "Storage", .severity = SEVERITY_FATAL },
        { .name = "inodes",
          .summary = "inodes are fine",
          .condition = "Storage",
          .severity = SEVERITY_FATAL },
        { .name = "clock", .summary = "the clock is fine" },
        { .name = "trim", .summary = "trim is fine", .condition = "Storage", .severity = SEVERITY_WARNING },
};
static struct condition_type storage = { .type = "Storage", .severity = SEVERITY_FATAL };

/* The statuses of the checks above as letters: O, W, F, U, - not checked yet, . switched off, a not on this
 * node. What is left out is not on this node. */
static enum aggregate aggregate_of(const char *letters, struct verdict *ret)
{
        struct check_state states[ELEMENTS(table)] = {};

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                char letter = i < strlen(letters) ? letters[i] : 'a';
                enum check_status status = letter == 'O'   ? CHECK_OK
                                           : letter == 'W' ? CHECK_WARN
                                           : letter == 'F' ? CHECK_FAIL
                                                           : CHECK_UNKNOWN;
                char reason[64];

                states[i].check = &table[i];
                states[i].enabled = letter != '.';
                states[i].absent = letter == 'a';
                states[i].known = letter != '.' && letter != '-' && letter != 'a';
                (void)snprintf(reason, sizeof(reason), "%c%s", letter, table[i].name);
                check_result_set(&states[i].result, status, reason, "%s is %c", table[i].name, letter);
        }
        return aggregate(&storage, "AllGood", states, ELEMENTS(states), ret);
}

static void check_verdict(const char *letters, enum condition_status status, const char *reason,
                          const char *message)
{
        struct verdict verdict;

        assert_int_equal(aggregate_of(letters, &verdict), AGGREGATE_VERDICT);
        assert_int_equal(verdict.status, status);
        assert_string_equal(verdict.reason, reason);
        assert_string_equal(verdict.message, message);
}

static void is_true_when_every_check_is_good(void **state)
{
        (void)state;
        check_verdict("OFOOF", CONDITION_TRUE, "AllGood", "root is fine; space is fine; inodes are fine");
}

static void a_warning_is_still_true_but_said_first(void **state)
{
        (void)state;
        check_verdict("OOWOO", CONDITION_TRUE, "AllGood", "space is W; root is fine; inodes are fine");
}

static void one_failure_is_enough_and_gives_the_reason(void **state)
{
        (void)state;
        check_verdict("OOFOO", CONDITION_FALSE, "Fspace", "space is F");
        check_verdict("OOFUO", CONDITION_FALSE, "Fspace", "space is F; inodes is U");
        check_verdict("UOFFO", CONDITION_FALSE, "Fspace", "space is F; inodes is F; root is U");
        check_verdict("WOFOO", CONDITION_FALSE, "Fspace", "space is F; root is W");
}

static void one_check_without_an_answer_makes_it_unknown(void **state)
{
        (void)state;
        check_verdict("OOOUO", CONDITION_UNKNOWN, "Uinodes", "inodes is U");
        check_verdict("UOWUO", CONDITION_UNKNOWN, "Uroot", "root is U; inodes is U; space is W");
}

static void a_check_of_severity_warning_is_told_and_does_not_decide(void **state)
{
        (void)state;
        check_verdict("OOOOOF", CONDITION_TRUE, "AllGood",
                      "trim is F; root is fine; space is fine; inodes are fine");
        check_verdict("OOOOOU", CONDITION_TRUE, "AllGood",
                      "trim is U; root is fine; space is fine; inodes are fine");
        check_verdict("OOFOOF", CONDITION_FALSE, "Fspace", "space is F; trim is F");
        check_verdict("aaaaaF", CONDITION_TRUE, "AllGood", "trim is F");
}

static void what_is_not_on_this_node_says_nothing(void **state)
{
        struct verdict verdict;

        (void)state;
        check_verdict("aOOaO", CONDITION_TRUE, "AllGood", "space is fine");
        assert_int_equal(aggregate_of("aOaaO", &verdict), AGGREGATE_NONE);
}

static void a_condition_that_is_good_when_false_is_true_when_a_check_fails(void **state)
{
        (void)state;
        storage.good_when_false = true;
        check_verdict("OOOOO", CONDITION_FALSE, "AllGood", "root is fine; space is fine; inodes are fine");
        check_verdict("OOFOO", CONDITION_TRUE, "Fspace", "space is F");
        check_verdict("OOUOO", CONDITION_UNKNOWN, "Uspace", "space is U");
        storage.good_when_false = false;
}

static void nothing_is_said_before_every_check_has_a_status(void **state)
{
        struct verdict verdict;

        (void)state;
        assert_int_equal(aggregate_of("O-O-O", &verdict), AGGREGATE_PENDING);
        assert_int_equal(aggregate_of("U-O-O", &verdict), AGGREGATE_PENDING);
        check_verdict("-OFOO", CONDITION_FALSE, "Fspace", "space is F; root is -");
}

static void checks_that_are_switched_off_do_not_count(void **state)
{
        struct verdict verdict;

        (void)state;
        check_verdict(".OO.O", CONDITION_TRUE, "AllGood", "space is fine");
        assert_int_equal(aggregate_of(".O..O", &verdict), AGGREGATE_NONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_true_when_every_check_is_good),
                cmocka_unit_test(a_warning_is_still_true_but_said_first),
                cmocka_unit_test(one_failure_is_enough_and_gives_the_reason),
                cmocka_unit_test(one_check_without_an_answer_makes_it_unknown),
                cmocka_unit_test(a_check_of_severity_warning_is_told_and_does_not_decide),
                cmocka_unit_test(what_is_not_on_this_node_says_nothing),
                cmocka_unit_test(a_condition_that_is_good_when_false_is_true_when_a_check_fails),
                cmocka_unit_test(nothing_is_said_before_every_check_has_a_status),
                cmocka_unit_test(checks_that_are_switched_off_do_not_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
