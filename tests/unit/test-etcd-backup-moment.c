/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "moment.h"
#include "quantity.h"

#define NOON (UINT64_C(1795600000) * USEC_PER_SEC)
#define DAY  USEC_PER_DAY

static const struct moment taken = { .realtime_usec = NOON,
                                     .boottime_usec = USEC_PER_HOUR,
                                     .boot_id = "one" };

static struct present present(uint64_t realtime, uint64_t boottime, const char *boot, uint64_t boot_seen)
{
        struct present present = { .now = { .realtime_usec = realtime, .boottime_usec = boottime },
                                   .boot_seen_usec = boot_seen };

        strcpy(present.now.boot_id, boot);
        return present;
}

static void within_a_boot_no_clock_matters(void **state)
{
        struct present normal = present(NOON + 5, USEC_PER_HOUR + 5, "one", 0),
                       back = present(NOON - DAY, USEC_PER_HOUR + 5, "one", 0),
                       forth = present(NOON + 300 * DAY, USEC_PER_HOUR + 5, "one", 0);

        assert_int_equal(moment_age(&taken, &normal), 5);
        assert_int_equal(moment_age(&taken, &back), 5);
        assert_int_equal(moment_age(&taken, &forth), 5);
}

static void over_a_boot_the_clock_tells(void **state)
{
        struct present later = present(NOON + 3 * USEC_PER_HOUR, USEC_PER_MIN, "two", 0);

        assert_int_equal(moment_age(&taken, &later), 3 * USEC_PER_HOUR);
}

static void a_clock_set_back_a_day_keeps_nothing_young_for_ever(void **state)
{
        struct present after = present(NOON - DAY, USEC_PER_MIN, "two", 0),
                       much_later = present(NOON + 1, DAY + USEC_PER_MIN, "two", 0);

        assert_int_equal(moment_age(&taken, &after), USEC_PER_MIN);
        assert_int_equal(moment_age(&taken, &much_later), DAY + USEC_PER_MIN);
}

static void in_a_container_only_its_own_boot_counts(void **state)
{
        struct present restarted = present(NOON + USEC_PER_MIN, 90 * DAY + 7, "two", 90 * DAY);

        assert_int_equal(moment_age(&taken, &restarted), USEC_PER_MIN);
}

static void survives_being_written(void **state)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        struct moment read;

        assert_int_equal(moment_write(&taken, object, "finished"), 0);
        assert_non_null(json_string(object, "finishedAt"));
        assert_int_equal(moment_read(object, "finished", &read), 0);
        assert_int_equal(read.realtime_usec, taken.realtime_usec);
        assert_int_equal(read.boottime_usec, taken.boottime_usec);
        assert_string_equal(read.boot_id, taken.boot_id);
        assert_int_equal(moment_read(object, "started", &read), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(within_a_boot_no_clock_matters),
                cmocka_unit_test(over_a_boot_the_clock_tells),
                cmocka_unit_test(a_clock_set_back_a_day_keeps_nothing_young_for_ever),
                cmocka_unit_test(in_a_container_only_its_own_boot_counts),
                cmocka_unit_test(survives_being_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
