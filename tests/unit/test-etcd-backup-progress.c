/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "progress.h"
#include "quantity.h"

#define MIB (UINT64_C(1) << 20)

static void the_line_tells_bytes_rate_and_what_is_left(void **state)
{
        char line[PROGRESS_LINE_MAX];

        progress_format("Receiving", 256 * MIB, 1024 * MIB, 2 * USEC_PER_SEC, 100, line);
        assert_string_equal(line,
                            "Receiving [==========>                             ] 25 %, 256 MiB of 1.00 GiB, "
                            "128 MiB/s, 6s left");
        progress_format("Verifying", 1024 * MIB, 1024 * MIB, USEC_PER_SEC, 60, line);
        assert_non_null(strstr(line, "100 %, 1.00 GiB of 1.00 GiB, 1.00 GiB/s"));
}

static void a_narrow_terminal_gets_no_bar_and_no_second_line(void **state)
{
        char line[PROGRESS_LINE_MAX];

        progress_format("Receiving", 256 * MIB, 1024 * MIB, 2 * USEC_PER_SEC, 62, line);
        assert_null(strchr(line, '['));
        progress_format("Receiving", 256 * MIB, 1024 * MIB, 2 * USEC_PER_SEC, 20, line);
        assert_int_equal(strlen(line), 20);
}

static void without_a_total_there_is_still_a_rate(void **state)
{
        char line[PROGRESS_LINE_MAX];

        progress_format("Fetching", 10 * MIB, 0, 2 * USEC_PER_SEC, 80, line);
        assert_string_equal(line, "Fetching 10.0 MiB, 5.00 MiB/s");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_line_tells_bytes_rate_and_what_is_left),
                cmocka_unit_test(a_narrow_terminal_gets_no_bar_and_no_second_line),
                cmocka_unit_test(without_a_total_there_is_still_a_rate),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
