/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cleanup.h"
#include "quantity.h"
#include "../../agent/agent/publish-schedule.h"

#define NOW (1000 * USEC_PER_SEC)

/* xorshift64*: the same numbers in every run. */
static uint64_t random_next(uint64_t *state)
{
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(2685821657736338717);
}

static struct publish_schedule make_schedule(const char *name)
{
        struct publish_schedule schedule = {};

        schedule_set_heartbeat(&schedule, 5 * USEC_PER_MIN, name);
        return schedule;
}

static void write_now(struct publish_schedule *schedule, uint64_t now_usec)
{
        schedule_begun(schedule);
        schedule_succeeded(schedule, now_usec);
}

static void nothing_is_written_until_there_is_something(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");

        assert_true(schedule_due(&schedule) == UINT64_MAX);
        schedule_changed(&schedule, NOW);
        assert_true(schedule_due(&schedule) == NOW + SCHEDULE_SETTLE_USEC);
}

static void a_change_after_quiet_is_written_at_once_and_later_ones_together(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");
        uint64_t now = NOW, writes = 0;

        /* A condition that flaps ten times a second for an hour. */
        for (unsigned tenths = 0; tenths < 36000; tenths++, now += 100 * USEC_PER_MSEC) {
                schedule_changed(&schedule, now);
                assert_true(schedule_due(&schedule) <= now + SCHEDULE_BATCH_USEC);
                if (schedule_due(&schedule) <= now) {
                        write_now(&schedule, now);
                        writes++;
                }
        }
        assert_in_range(writes, 3600 / 16, 3600 / 15 + 1);
}

static void a_change_while_a_write_is_under_way_is_not_lost(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");

        schedule_changed(&schedule, NOW);
        schedule_begun(&schedule);
        schedule_changed(&schedule, NOW + USEC_PER_SEC);
        schedule_succeeded(&schedule, NOW + 2 * USEC_PER_SEC);
        assert_true(schedule_due(&schedule) == NOW + 2 * USEC_PER_SEC + SCHEDULE_BATCH_USEC);
}

static void the_heartbeat_is_within_a_tenth_stable_for_a_node_and_spread_over_nodes(void **state)
{
        unsigned buckets[10] = {};

        for (unsigned i = 0; i < 2000; i++) {
                struct publish_schedule schedule, again;
                char name[32];
                uint64_t beat;

                (void)snprintf(name, sizeof(name), "prod-1-md-0-%u", i);
                schedule = make_schedule(name);
                again = make_schedule(name);
                beat = schedule.heartbeat_usec;
                assert_true(beat == again.heartbeat_usec);
                assert_in_range(beat, 270 * USEC_PER_SEC, 330 * USEC_PER_SEC - 1);
                buckets[(beat - 270 * USEC_PER_SEC) / (6 * USEC_PER_SEC)]++;
        }
        for (unsigned i = 0; i < ELEMENTS(buckets); i++)
                assert_in_range(buckets[i], 140, 260);
}

static void a_quiet_node_beats_and_an_hour_has_eleven_to_fourteen_writes(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");
        unsigned writes = 0;
        uint64_t now = NOW;

        write_now(&schedule, now);
        while ((now = schedule_due(&schedule)) < NOW + USEC_PER_HOUR) {
                write_now(&schedule, now);
                writes++;
        }
        assert_in_range(writes, 10, 14);
}

static void the_back_off_doubles_to_two_minutes_and_uses_all_of_its_range(void **state)
{
        uint64_t random = 42;

        for (unsigned failures = 0; failures < 40; failures++) {
                uint64_t ceiling = 2 * USEC_PER_SEC << (failures < 6 ? failures : 6), sum = 0;

                if (ceiling > SCHEDULE_BACKOFF_MAX_USEC)
                        ceiling = SCHEDULE_BACKOFF_MAX_USEC;
                for (unsigned i = 0; i < 1000; i++) {
                        struct publish_schedule schedule = { .failures = failures };

                        schedule_failed(&schedule, NOW, 2 * USEC_PER_SEC, 0, random_next(&random));
                        assert_in_range(schedule_due(&schedule), NOW, NOW + ceiling - 1);
                        sum += schedule_due(&schedule) - NOW;
                }
                assert_in_range(sum / 1000, ceiling * 45 / 100, ceiling * 55 / 100);
        }
}

static void a_change_does_not_shorten_the_back_off_and_success_ends_it(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");
        uint64_t retry;

        schedule_failed(&schedule, NOW, 100 * USEC_PER_SEC, 0, 99 * USEC_PER_SEC);
        retry = schedule_due(&schedule);
        schedule_changed(&schedule, NOW);
        assert_true(schedule_due(&schedule) == retry);
        write_now(&schedule, retry);
        assert_int_equal(schedule.failures, 0);
        assert_true(schedule_due(&schedule) == retry + schedule.heartbeat_usec);
}

static void a_named_time_is_kept_and_spread_by_up_to_half(void **state)
{
        uint64_t random = 7;

        for (unsigned i = 0; i < 1000; i++) {
                struct publish_schedule schedule = make_schedule("cp-0");

                schedule_failed(&schedule, NOW, USEC_PER_SEC, 30 * USEC_PER_SEC, random_next(&random));
                assert_in_range(schedule_due(&schedule), NOW + 30 * USEC_PER_SEC, NOW + 45 * USEC_PER_SEC);
        }
}

/* 2,000 nodes whose API server was away for an hour and comes back: the busiest second of the two minutes. */
static void after_a_common_outage_the_nodes_come_back_spread(void **state)
{
        unsigned seconds[121] = {}, most = 0;
        uint64_t random = 1;

        for (unsigned i = 0; i < 2000; i++) {
                struct publish_schedule schedule = make_schedule("cp-0");
                uint64_t now = NOW + random_next(&random) % USEC_PER_SEC, back = NOW + USEC_PER_HOUR;

                while (now < back) {
                        schedule_failed(&schedule, now, 2 * USEC_PER_SEC, 0, random_next(&random));
                        now = schedule_due(&schedule);
                }
                assert_true(now - back <= SCHEDULE_BACKOFF_MAX_USEC);
                seconds[(now - back) / USEC_PER_SEC]++;
        }
        for (unsigned i = 0; i < ELEMENTS(seconds); i++)
                most = seconds[i] > most ? seconds[i] : most;
        print_message("busiest second: %u of 2000, mean %.1f\n", most, 2000 / 120.0);
        assert_true(most < 60);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_written_until_there_is_something),
                cmocka_unit_test(a_change_after_quiet_is_written_at_once_and_later_ones_together),
                cmocka_unit_test(a_change_while_a_write_is_under_way_is_not_lost),
                cmocka_unit_test(the_heartbeat_is_within_a_tenth_stable_for_a_node_and_spread_over_nodes),
                cmocka_unit_test(a_quiet_node_beats_and_an_hour_has_eleven_to_fourteen_writes),
                cmocka_unit_test(the_back_off_doubles_to_two_minutes_and_uses_all_of_its_range),
                cmocka_unit_test(a_change_does_not_shorten_the_back_off_and_success_ends_it),
                cmocka_unit_test(a_named_time_is_kept_and_spread_by_up_to_half),
                cmocka_unit_test(after_a_common_outage_the_nodes_come_back_spread),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
