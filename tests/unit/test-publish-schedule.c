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
        struct publish_schedule schedule = { .batch_usec = SCHEDULE_BATCH_USEC };

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

static void a_few_changes_are_each_written_at_once_and_no_change_waits_for_more_than_a_batch(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");
        uint64_t now = NOW, writes = 0, longest = 0;

        schedule.burst = 3;
        for (unsigned i = 0; i < 3; i++, now += USEC_PER_SEC) {
                schedule_changed(&schedule, now);
                assert_true(schedule_due(&schedule) == now + SCHEDULE_SETTLE_USEC);
                write_now(&schedule, now);
        }
        schedule_changed(&schedule, now);
        assert_true(schedule_due(&schedule) == NOW + SCHEDULE_BATCH_USEC);
        write_now(&schedule, now); /* a heartbeat in between */
        write_now(&schedule, now);

        for (unsigned tenths = 0; tenths < 36000; tenths++, now += 100 * USEC_PER_MSEC) {
                uint64_t wait;

                schedule_changed(&schedule, now);
                wait = schedule_due(&schedule) > now ? schedule_due(&schedule) - now : 0;
                longest = wait > longest ? wait : longest;
                if (wait == 0) {
                        write_now(&schedule, now);
                        writes++;
                }
        }
        assert_true(longest <= SCHEDULE_BATCH_USEC);
        assert_in_range(writes, 3600 / 16, 3600 / 15 + 1);

        now += USEC_PER_MIN; /* quiet gives the burst back */
        write_now(&schedule, now);
        write_now(&schedule, now);
        schedule_changed(&schedule, now + USEC_PER_SEC);
        assert_true(schedule_due(&schedule) == now + USEC_PER_SEC + SCHEDULE_SETTLE_USEC);
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

static void the_first_try_after_a_failure_is_anywhere_in_the_first_window(void **state)
{
        uint64_t random = 42, sum = 0;

        for (unsigned i = 0; i < 1000; i++) {
                struct publish_schedule schedule = {};

                schedule_failed(&schedule, NOW, 2 * USEC_PER_SEC, 0, random_next(&random));
                assert_in_range(schedule_due(&schedule), NOW, NOW + 2 * USEC_PER_SEC - 1);
                sum += schedule_due(&schedule) - NOW;
        }
        assert_in_range(sum / 1000, 900 * USEC_PER_MSEC, 1100 * USEC_PER_MSEC);
}

static void the_waits_grow_to_two_minutes_and_stay_there(void **state)
{
        uint64_t random = 42;

        for (unsigned i = 0; i < 1000; i++) {
                struct publish_schedule schedule = {};
                uint64_t now = NOW, wait = 0, before;

                for (unsigned failures = 0; failures < 20; failures++) {
                        before = wait;
                        schedule_failed(&schedule, now, USEC_PER_SEC, 0, random_next(&random));
                        wait = schedule_due(&schedule) - now;
                        assert_true(failures == 0 || wait + 1 >= before);
                        assert_true(wait <= SCHEDULE_BACKOFF_MAX_USEC);
                        now = schedule_due(&schedule);
                }
                assert_in_range(wait, SCHEDULE_BACKOFF_MAX_USEC - 1, SCHEDULE_BACKOFF_MAX_USEC);
        }
}

static void who_needs_a_person_is_not_asked_every_second(void **state)
{
        struct publish_schedule schedule = {};
        uint64_t first;

        schedule_failed(&schedule, NOW, USEC_PER_SEC, 0, 1);
        first = schedule_due(&schedule);
        schedule_failed(&schedule, first, 30 * USEC_PER_SEC, 0, 1);
        assert_int_equal(schedule.window_usec, 30 * USEC_PER_SEC);
}

static void a_change_does_not_shorten_the_back_off_and_success_ends_it(void **state)
{
        struct publish_schedule schedule = make_schedule("cp-0");
        uint64_t retry;

        schedule_failed(&schedule, NOW, 100 * USEC_PER_SEC, 0, UINT64_MAX / 100 * 99);
        retry = schedule_due(&schedule);
        schedule_changed(&schedule, NOW);
        assert_true(schedule_due(&schedule) == retry);
        write_now(&schedule, retry);
        assert_int_equal(schedule.window_usec, 0);
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

#define NODES 2000

/* The peak, in seconds, over the mean of the first successes of nodes that all had something to write in the
 * second in which their server went away for so long. Each try takes try_usec to fail. */
static double peak_over_mean(uint64_t outage_usec, uint64_t try_usec)
{
        unsigned seconds[SCHEDULE_BACKOFF_MAX_USEC * 3 / USEC_PER_SEC] = {}, most = 0;
        uint64_t random = 1 + outage_usec, last = 0;
        const uint64_t back = NOW + outage_usec;

        for (unsigned i = 0; i < NODES; i++) {
                struct publish_schedule schedule = make_schedule("cp-0");
                uint64_t now = NOW + random_next(&random) % USEC_PER_SEC;

                while (now < back) {
                        schedule_failed(&schedule, now + try_usec, USEC_PER_SEC, 0, random_next(&random));
                        now = schedule_due(&schedule);
                }
                last = now - back > last ? now - back : last;
                seconds[(now - back) / USEC_PER_SEC]++;
        }
        for (unsigned i = 0; i < ELEMENTS(seconds); i++)
                most = seconds[i] > most ? seconds[i] : most;
        return most * ((double)last / USEC_PER_SEC) / NODES;
}

static void after_a_common_outage_no_second_is_twice_as_busy_as_the_mean(void **state)
{
        static const uint64_t outages[] = { 10, 20, 45, 60, 100, 200, 300, 600, 1800, 3600, 24 * 3600 };
        double worst = 0;

        for (size_t i = 0; i < ELEMENTS(outages); i++) {
                double refused = peak_over_mean(outages[i] * USEC_PER_SEC, 0),
                       hanging = peak_over_mean(outages[i] * USEC_PER_SEC, 10 * USEC_PER_SEC);

                print_message("%5u s: busiest second %.2f of the mean; %.2f when each try hangs for 10 s\n",
                              (unsigned)outages[i], refused, hanging);
                worst = refused > worst ? refused : worst;
                worst = hanging > worst ? hanging : worst;
        }
        assert_true(worst <= 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_written_until_there_is_something),
                cmocka_unit_test(a_change_after_quiet_is_written_at_once_and_later_ones_together),
                cmocka_unit_test(
                        a_few_changes_are_each_written_at_once_and_no_change_waits_for_more_than_a_batch),
                cmocka_unit_test(a_change_while_a_write_is_under_way_is_not_lost),
                cmocka_unit_test(the_heartbeat_is_within_a_tenth_stable_for_a_node_and_spread_over_nodes),
                cmocka_unit_test(a_quiet_node_beats_and_an_hour_has_eleven_to_fourteen_writes),
                cmocka_unit_test(the_first_try_after_a_failure_is_anywhere_in_the_first_window),
                cmocka_unit_test(the_waits_grow_to_two_minutes_and_stay_there),
                cmocka_unit_test(who_needs_a_person_is_not_asked_every_second),
                cmocka_unit_test(a_change_does_not_shorten_the_back_off_and_success_ends_it),
                cmocka_unit_test(a_named_time_is_kept_and_spread_by_up_to_half),
                cmocka_unit_test(after_a_common_outage_no_second_is_twice_as_busy_as_the_mean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
