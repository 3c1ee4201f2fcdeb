/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "quantity.h"

static const struct {
        const char *text;
        int error;
        uint64_t value;
} durations[] = {
        { "0s", 0, 0 },
        { "90s", 0, 90 * USEC_PER_SEC },
        { "5m", 0, 5 * USEC_PER_MIN },
        { "6h", 0, 6 * USEC_PER_HOUR },
        { "1d", 0, USEC_PER_DAY },
        { "2w", 0, 14 * USEC_PER_DAY },
        { "250ms", 0, 250 * USEC_PER_MSEC },
        { "10us", 0, 10 },
        { "18446744073709551615us", 0, UINT64_MAX },
        { "18446744073709551616us", -ERANGE, 0 },
        { "30500569w", -ERANGE, 0 },
        { "99999999999999999999999999999999999s", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { "5", -EINVAL, 0 },
        { "m", -EINVAL, 0 },
        { "5 m", -EINVAL, 0 },
        { " 5m", -EINVAL, 0 },
        { "5m ", -EINVAL, 0 },
        { "5M", -EINVAL, 0 },
        { "+5m", -EINVAL, 0 },
        { "-5m", -EINVAL, 0 },
        { "1.5h", -EINVAL, 0 },
        { "1h30m", -EINVAL, 0 },
        { "5 hours", -EINVAL, 0 },
        { "99999999999999999999999999999999999x", -EINVAL, 0 },
}, sizes[] = {
        { "0B", 0, 0 },
        { "512B", 0, 512 },
        { "512K", 0, 512 * 1024 },
        { "512M", 0, UINT64_C(512) << 20 },
        { "10G", 0, UINT64_C(10) << 30 },
        { "2T", 0, UINT64_C(2) << 40 },
        { "15E", 0, UINT64_C(15) << 60 },
        { "16E", -ERANGE, 0 },
        { "10", -EINVAL, 0 },
        { "10GiB", -EINVAL, 0 },
        { "10g", -EINVAL, 0 },
        { "10 G", -EINVAL, 0 },
        { "1.5G", -EINVAL, 0 },
};

static void reads_durations_with_exactly_one_unit(void **state)
{
        for (size_t i = 0; i < ELEMENTS(durations); i++) {
                uint64_t value = 42;

                if (duration_parse(durations[i].text, &value) != durations[i].error)
                        fail_msg("\"%s\"", durations[i].text);
                assert_int_equal(value, durations[i].error ? 42 : durations[i].value);
        }
}

static void reads_sizes_in_binary_units(void **state)
{
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                uint64_t value = 42;

                if (size_parse(sizes[i].text, &value) != sizes[i].error)
                        fail_msg("\"%s\"", sizes[i].text);
                assert_int_equal(value, sizes[i].error ? 42 : sizes[i].value);
        }
}

static void reads_percentages_as_fractions(void **state)
{
        static const char *const refused[] = {
                "", "%", "5", "5 %", "-5%", "5%%", ".5%", "5.%", "1e1%", "0x5%"
        };
        double value = 42;

        assert_int_equal(percent_parse("5%", &value), 0);
        assert_true(fabs(value - 0.05) < 1e-12);
        assert_int_equal(percent_parse("2.25%", &value), 0);
        assert_true(fabs(value - 0.0225) < 1e-12);
        assert_int_equal(percent_parse("0%", &value), 0);
        assert_true(fabs(value - 0) < 1e-12);
        assert_int_equal(percent_parse("100%", &value), 0);
        assert_true(fabs(value - 1) < 1e-12);

        assert_int_equal(percent_parse("100.001%", &value), -ERANGE);
        assert_int_equal(percent_parse("99999999999999999999999%", &value), -ERANGE);
        for (size_t i = 0; i < ELEMENTS(refused); i++)
                assert_int_equal(percent_parse(refused[i], &value), -EINVAL);
        assert_true(fabs(value - 1) < 1e-12);
}

static void reads_digits_and_stops_behind_them(void **state)
{
        const char *text = "12ff 18446744073709551615 18446744073709551616-";
        uint64_t value = 7;

        assert_int_equal(digits_parse(&text, 16, &value), 0);
        assert_int_equal(value, 0x12ff);
        assert_int_equal(digits_parse(&text, 10, &value), -EINVAL);
        text++;
        assert_int_equal(digits_parse(&text, 10, &value), 0);
        assert_true(value == UINT64_MAX);
        text++;
        assert_int_equal(digits_parse(&text, 10, &value), -ERANGE);
        assert_string_equal(text, "-");
        assert_true(value == UINT64_MAX);
        assert_int_equal(digits_parse(&text, 10, &value), -EINVAL);
}

static void writes_the_largest_unit_that_is_exact(void **state)
{
        char text[QUANTITY_SIZE];

        assert_string_equal(duration_format(0, text), "0s");
        assert_string_equal(duration_format(90 * USEC_PER_SEC, text), "90s");
        assert_string_equal(duration_format(120 * USEC_PER_MIN, text), "2h");
        assert_string_equal(duration_format(14 * USEC_PER_DAY, text), "2w");
        assert_string_equal(duration_format(8 * USEC_PER_DAY, text), "8d");
        assert_string_equal(duration_format(1500 * USEC_PER_MSEC, text), "1500ms");
        assert_string_equal(duration_format(UINT64_MAX, text), "18446744073709551615us");
        assert_string_equal(size_format(0, text), "0B");
        assert_string_equal(size_format(1000, text), "1000B");
        assert_string_equal(size_format(UINT64_C(512) << 20, text), "512M");
        assert_string_equal(size_format(UINT64_C(2048) << 20, text), "2G");
        assert_string_equal(size_format(UINT64_MAX, text), "18446744073709551615B");
}

static void what_it_writes_it_reads_back(void **state)
{
        char text[QUANTITY_SIZE];

        for (unsigned bit = 0; bit < 64; bit++)
                for (uint64_t near = 0; near < 3; near++) {
                        uint64_t value = (UINT64_C(1) << bit) + near - 1, read;

                        assert_int_equal(duration_parse(duration_format(value, text), &read), 0);
                        assert_int_equal(read, value);
                        assert_int_equal(size_parse(size_format(value, text), &read), 0);
                        assert_int_equal(read, value);
                }
}

static void shows_people_two_parts_of_a_duration(void **state)
{
        char text[QUANTITY_SIZE];

        assert_string_equal(duration_format_human(0, text), "0s");
        assert_string_equal(duration_format_human(850, text), "850us");
        assert_string_equal(duration_format_human(1500 * USEC_PER_MSEC, text), "1s 500ms");
        assert_string_equal(duration_format_human(2 * USEC_PER_HOUR, text), "2h");
        assert_string_equal(duration_format_human(2 * USEC_PER_HOUR + 5 * USEC_PER_MIN + 3, text), "2h 5m");
        assert_string_equal(duration_format_human(2 * USEC_PER_HOUR + 5 * USEC_PER_SEC, text), "2h");
        assert_string_equal(duration_format_human(17 * USEC_PER_DAY, text), "2w 3d");
        assert_true(strlen(duration_format_human(UINT64_MAX, text)) < QUANTITY_SIZE);
}

static void shows_people_three_digits_of_a_size(void **state)
{
        char text[QUANTITY_SIZE];

        assert_string_equal(size_format_human(0, text), "0 B");
        assert_string_equal(size_format_human(999, text), "999 B");
        assert_string_equal(size_format_human(1000, text), "0.98 KiB");
        assert_string_equal(size_format_human(1024, text), "1.00 KiB");
        assert_string_equal(size_format_human(10234, text), "9.99 KiB");
        assert_string_equal(size_format_human(10239, text), "10.0 KiB");
        assert_string_equal(size_format_human(1213345000, text), "1.13 GiB");
        assert_string_equal(size_format_human(UINT64_C(113) << 20, text), "113 MiB");
        assert_string_equal(size_format_human((UINT64_C(1) << 20) - 1, text), "1.00 MiB");
        assert_string_equal(size_format_human(UINT64_MAX, text), "16.0 EiB");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_durations_with_exactly_one_unit),
                cmocka_unit_test(reads_sizes_in_binary_units),
                cmocka_unit_test(reads_percentages_as_fractions),
                cmocka_unit_test(reads_digits_and_stops_behind_them),
                cmocka_unit_test(writes_the_largest_unit_that_is_exact),
                cmocka_unit_test(what_it_writes_it_reads_back),
                cmocka_unit_test(shows_people_two_parts_of_a_duration),
                cmocka_unit_test(shows_people_three_digits_of_a_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
