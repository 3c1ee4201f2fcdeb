/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing here waits: the tests carry the clock. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "phase.h"
#include "quantity.h"
#include "schedule.h"

#define INTERVAL_USEC (30 * USEC_PER_SEC)
#define BOOT_USEC     (17 * USEC_PER_SEC)

static const struct check table[] = {
        { .name = "one", .deadline_usec = 5 * USEC_PER_SEC, .fail_after = 3, .ok_after = 2 },
        { .name = "two", .deadline_usec = 5 * USEC_PER_SEC, .fail_after = 3, .ok_after = 2 },
        { .name = "three", .deadline_usec = 5 * USEC_PER_SEC, .fail_after = 3, .ok_after = 1 },
        { .name = "four", .deadline_usec = 10 * USEC_PER_SEC, .fail_after = 3, .ok_after = 2 },
        { .name = "five", .deadline_usec = 10 * USEC_PER_SEC, .fail_after = 3, .ok_after = 2 },
        { .name = "six", .deadline_usec = 5 * USEC_PER_SEC, .fail_after = 20, .ok_after = 1 },
};

struct fixture {
        struct check_state states[ELEMENTS(table)];
        struct schedule schedule;
        uint64_t now;
};

static void open_fixture(struct fixture *f)
{
        *f = (struct fixture){ .schedule = { f->states, ELEMENTS(table) }, .now = BOOT_USEC };
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                f->states[i].check = &table[i];
                schedule_enable(&f->states[i], INTERVAL_USEC, phase_of("node", table[i].name, INTERVAL_USEC),
                                f->now);
        }
}

static struct check_result result_of(enum check_status status)
{
        struct check_result result;

        check_result_set(&result, status, status == CHECK_FAIL ? "Broken" : "AsItIs", "said %s",
                         check_status_name(status));
        return result;
}

/* One run of the first check, of no length. */
static bool feed(struct fixture *f, enum check_status status)
{
        struct check_result result = result_of(status);

        f->states[0].running = true;
        f->states[0].started_usec = f->now;
        return schedule_finish(&f->states[0], &result, f->now);
}

/* As many runs, each an interval after the one before. */
static enum check_status status_after(struct fixture *f, const char *results)
{
        for (; *results; results++, f->now += INTERVAL_USEC)
                (void)feed(f, *results == 'F'   ? CHECK_FAIL
                              : *results == 'U' ? CHECK_UNKNOWN
                              : *results == 'W' ? CHECK_WARN
                                                : CHECK_OK);
        return f->states[0].result.status;
}

static void is_unknown_until_the_first_result(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(f.states[0].result.status, CHECK_UNKNOWN);
        assert_string_equal(f.states[0].result.reason, "NotCheckedYet");
        assert_false(f.states[0].known);

        assert_true(feed(&f, CHECK_OK));
        assert_true(f.states[0].known);
        assert_int_equal(f.states[0].result.status, CHECK_OK);
}

static void fails_only_after_enough_failures_in_a_row(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "OFF"), CHECK_OK);
        assert_int_equal(status_after(&f, "F"), CHECK_FAIL);

        open_fixture(&f);
        assert_int_equal(status_after(&f, "OFFOFFOFFWFF"), CHECK_WARN);
}

static void recovers_only_after_enough_good_results_in_a_row(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "OFFF"), CHECK_FAIL);
        assert_int_equal(status_after(&f, "OFOFO"), CHECK_FAIL);
        assert_int_equal(status_after(&f, "W"), CHECK_WARN);
}

static void a_first_failure_is_unconfirmed_and_says_what_it_saw(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "F"), CHECK_UNKNOWN);
        assert_string_equal(f.states[0].result.reason, "NotConfirmedYet");
        assert_string_equal(f.states[0].result.message, "1 of 3 results in a row: said Fail");
        assert_false(f.states[0].known);
        assert_int_equal(status_after(&f, "FF"), CHECK_FAIL);
        assert_true(f.states[0].known);
}

static void failures_and_timeouts_by_turns_do_not_stay_good(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "OFUF"), CHECK_FAIL);
        /* And once bad, they do not swing to and fro, which would reset every transition time. */
        assert_int_equal(status_after(&f, "UFUFUFUU"), CHECK_FAIL);
        assert_int_equal(status_after(&f, "U"), CHECK_UNKNOWN);
        assert_int_equal(status_after(&f, "FUFUFF"), CHECK_UNKNOWN);
}

static void what_is_not_there_yet_is_looked_for_often_while_the_node_starts(void **state)
{
        struct check_state *first;
        struct fixture f;

        (void)state;
        open_fixture(&f);
        first = &f.states[0];
        /* As often as it fails, the failure is as certain as without the haste. */
        for (uint64_t end = f.now + 2 * INTERVAL_USEC; f.now < end; f.now = first->due_usec) {
                (void)feed(&f, CHECK_FAIL);
                assert_int_equal(first->result.status, CHECK_UNKNOWN);
                assert_true(first->due_usec <= f.now + SCHEDULE_RETRY_USEC);
        }
        (void)feed(&f, CHECK_OK);
        assert_int_equal(first->result.status, CHECK_OK);
        assert_true(first->due_usec >= f.now + INTERVAL_USEC / 2);
}

static void what_stays_unknown_is_not_looked_for_often_for_ever(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        (void)feed(&f, CHECK_UNKNOWN);
        assert_true(f.states[0].due_usec <= f.now + SCHEDULE_RETRY_USEC);
        f.now += SCHEDULE_START_USEC;
        (void)feed(&f, CHECK_UNKNOWN);
        assert_true(f.states[0].due_usec >= f.now + INTERVAL_USEC / 2);
}

static void checks_share_wake_ups_when_none_is_pressing(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(schedule_slack(&f.schedule), 0);
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                f.states[i].known = true;
                f.states[i].interval_usec = 30 * USEC_PER_SEC;
        }
        assert_int_equal(schedule_slack(&f.schedule), SCHEDULE_SLACK_USEC);
        f.states[1].interval_usec = 6 * USEC_PER_SEC;
        assert_int_equal(schedule_slack(&f.schedule), 2 * USEC_PER_SEC);
        f.states[2].running = true; /* its deadline is kept */
        assert_int_equal(schedule_slack(&f.schedule), 0);
}

static void one_lost_answer_does_not_give_up_a_good_status(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "OUUOUU"), CHECK_OK);
        assert_int_equal(status_after(&f, "U"), CHECK_UNKNOWN);
        assert_int_equal(status_after(&f, "O"), CHECK_OK);
}

static void a_warning_shows_and_goes_at_once(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "OW"), CHECK_WARN);
        assert_int_equal(status_after(&f, "O"), CHECK_OK);
}

static void tells_when_status_or_reason_changed(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_true(feed(&f, CHECK_OK));
        assert_false(feed(&f, CHECK_OK));
        assert_false(feed(&f, CHECK_FAIL));
        assert_false(feed(&f, CHECK_FAIL));
        assert_true(feed(&f, CHECK_FAIL));
}

static void the_measured_value_is_always_the_latest(void **state)
{
        struct check_result result = result_of(CHECK_FAIL);
        struct fixture f;

        (void)state;
        open_fixture(&f);
        (void)feed(&f, CHECK_OK);
        assert_true(isnan(f.states[0].result.value));
        result.value = 0.02;
        f.states[0].running = true;
        (void)schedule_finish(&f.states[0], &result, f.now);
        assert_int_equal(f.states[0].result.status, CHECK_OK);
        assert_float_equal(f.states[0].result.value, 0.02, 0);
}

static void switching_off_forgets(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        assert_int_equal(status_after(&f, "FFF"), CHECK_FAIL);
        schedule_enable(&f.states[0], 2 * INTERVAL_USEC, 0, f.now);
        assert_int_equal(f.states[0].result.status, CHECK_FAIL);
        schedule_disable(&f.states[0]);
        schedule_enable(&f.states[0], INTERVAL_USEC, 0, f.now);
        assert_int_equal(f.states[0].result.status, CHECK_UNKNOWN);
        assert_false(f.states[0].known);
}

static void starts_at_once_but_never_more_than_two(void **state)
{
        struct check_result good = result_of(CHECK_OK);
        struct check_state *first, *second;
        struct fixture f;

        (void)state;
        open_fixture(&f);
        first = schedule_take_due(&f.schedule, f.now);
        second = schedule_take_due(&f.schedule, f.now);
        assert_non_null(first);
        assert_non_null(second);
        assert_ptr_not_equal(first, second);
        assert_null(schedule_take_due(&f.schedule, f.now));
        /* While two run there is nothing to wake up for but a deadline. */
        assert_int_equal(schedule_wakeup(&f.schedule), f.now + 5 * USEC_PER_SEC);

        (void)schedule_finish(first, &good, f.now);
        assert_non_null(schedule_take_due(&f.schedule, f.now));
        assert_null(schedule_take_due(&f.schedule, f.now));
}

static void a_run_past_its_deadline_becomes_unknown(void **state)
{
        struct check_state *running;
        struct fixture f;

        (void)state;
        open_fixture(&f);
        running = schedule_take_due(&f.schedule, f.now);
        assert_null(schedule_overdue(&f.schedule, f.now + 5 * USEC_PER_SEC - 1));
        assert_ptr_equal(schedule_overdue(&f.schedule, f.now + 5 * USEC_PER_SEC), running);
        assert_true(schedule_expire(running, f.now + 5 * USEC_PER_SEC));
        assert_false(running->running);
        assert_int_equal(running->result.status, CHECK_UNKNOWN);
        assert_string_equal(running->result.reason, "CheckTimedOut");
        assert_string_equal(running->result.message, "no answer within 5s");
        assert_int_equal(running->timeouts, 1);
}

static void a_failure_is_confirmed_while_an_earlier_report_is_still_valid(void **state)
{
        struct check_result bad = result_of(CHECK_FAIL);
        struct fixture f;
        uint64_t start;

        (void)state;
        open_fixture(&f);
        start = f.now;
        schedule_enable(&f.states[0], 10 * USEC_PER_MIN, 0, f.now);
        while (!f.states[0].known) {
                f.now = f.states[0].due_usec;
                f.states[0].running = true;
                f.states[0].started_usec = f.now;
                (void)schedule_finish(&f.states[0], &bad, f.now);
        }
        assert_true(f.now - start <= 60 * USEC_PER_SEC);
}

static void a_suspend_is_not_made_up_for(void **state)
{
        struct fixture f;

        (void)state;
        open_fixture(&f);
        (void)feed(&f, CHECK_OK);
        f.now += 9 * USEC_PER_HOUR; /* CLOCK_BOOTTIME counts a suspend */
        assert_true(f.states[0].due_usec < f.now);
        (void)feed(&f, CHECK_OK);
        assert_true(f.states[0].due_usec > f.now);
        assert_true(f.states[0].due_usec <= f.now + 2 * INTERVAL_USEC);
}

/* ---- the whole, for months ---- */

/* Small and the same on every machine (Numerical Recipes' constants). */
static uint32_t draw(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

struct simulation {
        struct fixture f;
        uint64_t ends_usec[ELEMENTS(table)]; /* when the run under way answers; UINT64_MAX: never */
        uint64_t runs[ELEMENTS(table)], last_start_usec[ELEMENTS(table)];
        uint32_t seed;
        bool broken; /* what the checks find */
        struct check_result good, bad;
};

static size_t index_of(const struct simulation *s, const struct check_state *state)
{
        return (size_t)(state - s->f.states);
}

static void simulate_answers(struct simulation *s)
{
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                if (s->f.states[i].running && s->ends_usec[i] <= s->f.now)
                        (void)schedule_finish(&s->f.states[i], s->broken ? &s->bad : &s->good, s->f.now);
        }
}

static void simulate_starts(struct simulation *s)
{
        struct check_state *started;
        unsigned running = 0;

        while ((started = schedule_take_due(&s->f.schedule, s->f.now))) {
                size_t i = index_of(s, started);
                uint32_t kind = draw(&s->seed) % 100;

                if (s->runs[i] > 1 && s->f.states[i].known)
                        assert_true(s->f.now - s->last_start_usec[i] >= INTERVAL_USEC / 2);
                s->runs[i]++;
                s->last_start_usec[i] = s->f.now;
                s->ends_usec[i] =
                        kind == 0 ? UINT64_MAX : s->f.now + draw(&s->seed) % (kind * 20 * USEC_PER_MSEC);
        }
        for (size_t i = 0; i < ELEMENTS(table); i++)
                running += s->f.states[i].running;
        assert_true(running <= SCHEDULE_PARALLEL_MAX);
}

/* Goes to the next moment at which anything happens, and lets it happen. */
static void simulate_step(struct simulation *s)
{
        uint64_t next = schedule_wakeup(&s->f.schedule);
        struct check_state *overdue;

        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (s->f.states[i].running && s->ends_usec[i] < next)
                        next = s->ends_usec[i];
        assert_int_not_equal(next, UINT64_MAX);
        s->f.now = next > s->f.now ? next : s->f.now;

        simulate_answers(s);
        while ((overdue = schedule_overdue(&s->f.schedule, s->f.now)))
                (void)schedule_expire(overdue, s->f.now);
        simulate_starts(s);
}

static void simulate_until(struct simulation *s, uint64_t until)
{
        while (s->f.now < until)
                simulate_step(s);
}

/* 10 000 hours with a broken hour in each 50, checks that hang once in a hundred runs, and a suspend now and
 * then. */
static void ten_thousand_hours_keep_rhythm_limit_and_truth(void **state)
{
        struct simulation s = {
                .seed = 20261121,
                .good = result_of(CHECK_OK),
                .bad = result_of(CHECK_FAIL),
        };
        uint64_t hours = 0;

        (void)state;
        open_fixture(&s.f);
        while (hours < 10000) {
                uint64_t runs = s.runs[0], hour = s.f.now;

                s.broken = hours % 50 == 49;
                simulate_until(&s, hour + USEC_PER_HOUR);
                hours++;
                /* 120 an hour, less what the deadlines of other checks took. */
                assert_in_range(s.runs[0] - runs, 110, 125);
                for (size_t i = 0; i < ELEMENTS(table); i++)
                        assert_int_equal(s.f.states[i].result.status, s.broken ? CHECK_FAIL : CHECK_OK);
                if (hours % 1000 == 0) {
                        s.f.now += USEC_PER_DAY;
                        hours += 24;
                }
        }
        for (size_t i = 0; i < ELEMENTS(table); i++)
                assert_true(s.f.states[i].timeouts > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_unknown_until_the_first_result),
                cmocka_unit_test(fails_only_after_enough_failures_in_a_row),
                cmocka_unit_test(recovers_only_after_enough_good_results_in_a_row),
                cmocka_unit_test(a_first_failure_is_unconfirmed_and_says_what_it_saw),
                cmocka_unit_test(failures_and_timeouts_by_turns_do_not_stay_good),
                cmocka_unit_test(what_is_not_there_yet_is_looked_for_often_while_the_node_starts),
                cmocka_unit_test(what_stays_unknown_is_not_looked_for_often_for_ever),
                cmocka_unit_test(checks_share_wake_ups_when_none_is_pressing),
                cmocka_unit_test(one_lost_answer_does_not_give_up_a_good_status),
                cmocka_unit_test(a_warning_shows_and_goes_at_once),
                cmocka_unit_test(tells_when_status_or_reason_changed),
                cmocka_unit_test(the_measured_value_is_always_the_latest),
                cmocka_unit_test(switching_off_forgets),
                cmocka_unit_test(starts_at_once_but_never_more_than_two),
                cmocka_unit_test(a_run_past_its_deadline_becomes_unknown),
                cmocka_unit_test(a_failure_is_confirmed_while_an_earlier_report_is_still_valid),
                cmocka_unit_test(a_suspend_is_not_made_up_for),
                cmocka_unit_test(ten_thousand_hours_keep_rhythm_limit_and_truth),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
