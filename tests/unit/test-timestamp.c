/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cleanup.h"
#include "timestamp.h"

static void reads_back_what_it_writes(void **state)
{
        char text[TIMESTAMP_SIZE];
        uint64_t usec;

        assert_string_equal(timestamp_format(1795255200123000, text), "2026-11-21T10:00:00.123Z");
        assert_int_equal(timestamp_parse(text, &usec), 0);
        assert_int_equal(usec, 1795255200123000);
        assert_int_equal(timestamp_parse("2026-11-21T10:00:00Z", &usec), 0);
        assert_int_equal(usec, 1795255200000000);
}

static void refuses_all_but_rfc_3339_in_utc(void **state)
{
        static const char *const cases[] = { "",
                                             "now",
                                             "2026-11-21",
                                             "2026-11-21 10:00:00Z",
                                             "2026-11-21T10:00:00",
                                             "2026-11-21T10:00:00+01:00",
                                             "2026-11-21T10:00:00.Z",
                                             "2026-13-21T10:00:00Z",
                                             "2026-11-21T10:00:00Zx",
                                             "1969-12-31T23:59:59Z",
                                             " 026-11-21T10:00:00Z" };
        uint64_t usec = 42;

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(timestamp_parse(cases[i], &usec), -EINVAL);
        assert_int_equal(usec, 42);
}

static void knows_the_boot(void **state)
{
        assert_int_equal(strlen(boot_id()), 36);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_back_what_it_writes),
                cmocka_unit_test(refuses_all_but_rfc_3339_in_utc),
                cmocka_unit_test(knows_the_boot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
