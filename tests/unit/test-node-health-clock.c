/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "clock.c"

#define LIMIT_USEC  (16 * USEC_PER_SEC)
#define OFFSET_USEC (50 * USEC_PER_MSEC)

static struct check_result result_of(uint64_t error_usec, uint64_t known_usec)
{
        struct check_result result;

        judge(error_usec, LIMIT_USEC, &result);
        judge_offset(known_usec, OFFSET_USEC, &result);
        return result;
}

static void is_good_while_a_time_server_sets_it(void **state)
{
        struct check_result result = result_of(LIMIT_USEC - 1, OFFSET_USEC - 1);

        (void)state;
        assert_int_equal(result.status, CHECK_OK);
        assert_string_equal(result.reason, "ClockSynchronized");
        assert_string_equal(result.message, "the clock is wrong by less than 16s");
        assert_float_equal(result.value, 16, 0.001);
        assert_float_equal(result.threshold, 16, 0);
}

static void fails_at_the_limit_and_says_where_to_look(void **state)
{
        struct check_result result = result_of(LIMIT_USEC, 0);

        (void)state;
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "ClockNotSynchronized");
        assert_non_null(strstr(result.message, "chronyc tracking"));
}

static void a_known_error_is_a_warning(void **state)
{
        struct check_result result = result_of(USEC_PER_SEC, OFFSET_USEC);

        (void)state;
        assert_int_equal(result.status, CHECK_WARN);
        assert_string_equal(result.reason, "ClockOffsetHigh");
        assert_float_equal(result.value, 0.05, 0.000001);
        assert_float_equal(result.threshold, 0.05, 0.000001);
}

static void a_clock_that_nobody_sets_has_no_known_error(void **state)
{
        (void)state;
        assert_string_equal(result_of(LIMIT_USEC, 10 * OFFSET_USEC).reason, "ClockNotSynchronized");
}

static void reads_the_offset_in_the_unit_that_the_kernel_uses(void **state)
{
        struct timex micro = { .offset = -70000 }, nano = { .offset = 70000000, .status = STA_NANO };

        (void)state;
        assert_int_equal(offset_usec(&micro), 70000);
        assert_int_equal(offset_usec(&nano), 70000);
}

static void the_kernel_lets_it_be_read_without_a_capability(void **state)
{
        struct timex timex = { .modes = 0 };

        (void)state;
        assert_true(adjtimex(&timex) >= 0);
        assert_in_range(timex.maxerror, 0, LIMIT_USEC);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_good_while_a_time_server_sets_it),
                cmocka_unit_test(fails_at_the_limit_and_says_where_to_look),
                cmocka_unit_test(a_known_error_is_a_warning),
                cmocka_unit_test(a_clock_that_nobody_sets_has_no_known_error),
                cmocka_unit_test(reads_the_offset_in_the_unit_that_the_kernel_uses),
                cmocka_unit_test(the_kernel_lets_it_be_read_without_a_capability),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
