/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/node-health/api-endpoint.c"

static void only_what_is_certain_counts_as_skew(void **state)
{
        const uint64_t second = USEC_PER_SEC, now = 1000 * USEC_PER_SEC;

        (void)state;
        /* A Date has whole seconds: 1000 may have been written any time before 1001. */
        assert_float_equal(clock_skew(now, now + second / 2, 1000), 0, 0);
        assert_float_equal(clock_skew(now + second / 2, now + 2 * second, 1000), 0, 0);
        assert_float_equal(clock_skew(now, now, 999), 0, 0);
        assert_float_equal(clock_skew(now, now + second, 1011), 10, 1e-6);
        assert_float_equal(clock_skew(now, now + 3 * second, 989), -10, 1e-6);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_is_certain_counts_as_skew) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
