/* SPDX-License-Identifier: Apache-2.0 */

/* The scheduler with the real check table on a clock of the test's own (as chrony's test/simulation does it):
 * what asks for the time and what waits are replaced, nothing else. The checks answer what a scenario makes
 * them find. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "node-health-config.h"
#include "role.h"
#include "timestamp.h"

static struct {
        uint64_t boottime_usec, realtime_usec;
        bool timer_on, now_on;
        uint64_t timer_usec, accuracy_usec;
        sd_event_time_handler_t handler;
        sd_event_handler_t now_handler;
        void *userdata;
} world;

static int world_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                          uint64_t accuracy, sd_event_time_handler_t handler, void *userdata)
{
        (void)event;
        world.accuracy_usec = accuracy;
        assert_int_equal(clock, CLOCK_BOOTTIME); /* the one that cannot be set */
        world.handler = handler;
        world.userdata = userdata;
        world.timer_usec = usec;
        *ret = (sd_event_source *)&world;
        return 0;
}

static int world_add_defer(sd_event *event, sd_event_source **ret, sd_event_handler_t handler, void *userdata)
{
        (void)event;
        (void)userdata;
        world.now_on = true;
        world.now_handler = handler;
        *ret = (sd_event_source *)&world.now_on;
        return 0;
}

static int world_set_time(sd_event_source *source, uint64_t usec)
{
        (void)source;
        world.timer_usec = usec;
        return 0;
}

static int world_set_accuracy(sd_event_source *source, uint64_t usec)
{
        (void)source;
        world.accuracy_usec = usec;
        return 0;
}

static int world_set_enabled(sd_event_source *source, int enabled)
{
        *(source == (sd_event_source *)&world.now_on ? &world.now_on : &world.timer_on) =
                enabled != SD_EVENT_OFF;
        return 0;
}

#define sd_event_add_time                     world_add_time
#define sd_event_add_defer                    world_add_defer
#define sd_event_source_set_time              world_set_time
#define sd_event_source_set_time_accuracy     world_set_accuracy
#define sd_event_source_set_enabled           world_set_enabled
#define sd_event_source_disable_unref(source) ((void)(source), world.timer_on = world.now_on = false)
#define now_boottime_usec()                   world.boottime_usec
#define now_realtime_usec()                   world.realtime_usec
#define role_holds(role, root)                true
#include "scheduler.c"
#undef role_holds
#undef now_realtime_usec
#undef now_boottime_usec

#include "aggregate.h"

#define ROWS_MAX     64
#define HOUR         USEC_PER_HOUR
#define DAY_ONE_USEC (UINT64_C(1795255200) * USEC_PER_SEC)

/* What is known of a check independently of the schedule: only its answers, in order. */
struct witness {
        struct check_run *run; /* under way */
        uint64_t answer_usec;  /* when it answers; UINT64_MAX: never */
        enum check_status found;
        unsigned bad_row, good_row;
        uint64_t runs, last_end_usec, last_start_usec;
        enum check_status before;
};

struct simulation {
        struct check table[ROWS_MAX];
        struct witness witnesses[ROWS_MAX];
        struct scheduler *scheduler;
        struct node_health_config *config;
        struct node node;
        uint32_t seed;
        unsigned fail_percent, hang_percent; /* how often a run finds a failure, or nothing ever */
        uint64_t events;                     /* a digest of all that happened, and when */
        uint64_t starts;
};
static struct simulation *current;

static uint32_t draw(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

static struct witness *witness_of(const struct check_run *run)
{
        return &current->witnesses[run->check - current->table];
}

static void note(uint64_t what)
{
        current->events = (current->events ^ what ^ world.boottime_usec) * UINT64_C(0x100000001b3);
}

static void simulated_cancel(struct check_run *run)
{
        witness_of(run)->run = NULL;
}

static int simulated_start(struct check_run *run)
{
        struct witness *witness = witness_of(run);
        uint32_t kind = draw(&current->seed) % 100;

        assert_null(witness->run);
        run->cancel = simulated_cancel;
        witness->run = run;
        witness->runs++;
        witness->last_start_usec = world.boottime_usec;
        witness->found = draw(&current->seed) % 100 < current->fail_percent ? CHECK_FAIL : CHECK_OK;
        witness->answer_usec = kind < current->hang_percent
                                       ? UINT64_MAX
                                       : world.boottime_usec + draw(&current->seed) % (500 * USEC_PER_MSEC);
        current->starts++;
        note((uint64_t)(run->check - current->table));
        return 0;
}

static const struct check_state *state_at(size_t i)
{
        return &scheduler_states(current->scheduler)[i];
}

static bool good(enum check_status status)
{
        return status == CHECK_OK || status == CHECK_WARN;
}

/* The promise of fail_after and ok_after, by the answers alone. */
static void hold_to_the_promise(size_t i, bool was_known)
{
        struct witness *witness = &current->witnesses[i];
        const struct check *check = &current->table[i];
        enum check_status now = state_at(i)->result.status;

        if (was_known && good(witness->before) && !good(now))
                assert_true(witness->bad_row >= check->fail_after);
        if (witness->before == CHECK_FAIL && good(now))
                assert_true(witness->good_row >= check->ok_after);
        if (witness->bad_row >= check->fail_after)
                assert_false(good(now));
        if (witness->good_row >= check->ok_after)
                assert_true(good(now));
}

static void ended(size_t i, enum check_status found, bool was_known)
{
        struct witness *witness = &current->witnesses[i];

        witness->bad_row = good(found) ? 0 : witness->bad_row + 1;
        witness->good_row = good(found) ? witness->good_row + 1 : 0;
        witness->last_end_usec = world.boottime_usec;
        hold_to_the_promise(i, was_known);
        note(i << 8 | state_at(i)->result.status);
}

static void answer(size_t i)
{
        struct witness *witness = &current->witnesses[i];
        struct check_run *run = witness->run;
        bool was_known = state_at(i)->known;
        struct check_result result;

        check_result_set(&result, witness->found, good(witness->found) ? "Good" : "Bad", "found");
        witness->before = state_at(i)->result.status;
        witness->run = NULL;
        check_finish(run, &result);
        ended(i, witness->found, was_known);
}

/* The timer, or what stands for it when something is due already. */
static void fire(void)
{
        struct {
                bool running, known;
                enum check_status status;
        } before[ROWS_MAX];
        unsigned running = 0;
        bool now = world.now_on;
        int r;

        for (size_t i = 0; i < n_checks; i++) {
                before[i].running = current->witnesses[i].run != NULL;
                before[i].known = state_at(i)->known;
                before[i].status = state_at(i)->result.status;
        }
        *(now ? &world.now_on : &world.timer_on) = false;
        r = now ? world.now_handler(NULL, world.userdata)
                : world.handler(NULL, world.boottime_usec, world.userdata);
        assert_true(r >= 0);
        for (size_t i = 0; i < n_checks; i++) {
                if (before[i].running && !current->witnesses[i].run) { /* it was cancelled at its deadline */
                        current->witnesses[i].before = before[i].status;
                        ended(i, CHECK_UNKNOWN, before[i].known);
                }
                running += state_at(i)->running;
        }
        assert_true(running <= SCHEDULE_PARALLEL_MAX);
}

static void pass(uint64_t usec)
{
        world.boottime_usec += usec;
        world.realtime_usec += usec;
}

/* Goes to the next moment at which anything happens, late by so much, and lets it happen. The timer is as
 * late as it may be. */
static void step(uint64_t late_usec)
{
        uint64_t next = world.now_on     ? world.boottime_usec
                        : world.timer_on ? world.timer_usec + world.accuracy_usec
                                         : UINT64_MAX;

        for (size_t i = 0; i < n_checks; i++)
                if (current->witnesses[i].run && current->witnesses[i].answer_usec < next)
                        next = current->witnesses[i].answer_usec;
        assert_true(next != UINT64_MAX);
        next += late_usec;
        if (next > world.boottime_usec)
                pass(next - world.boottime_usec);
        for (size_t i = 0; i < n_checks; i++)
                if (current->witnesses[i].run && current->witnesses[i].answer_usec <= world.boottime_usec)
                        answer(i);
        if (world.now_on || (world.timer_on && world.timer_usec <= world.boottime_usec))
                fire();
}

static void run_for(uint64_t usec)
{
        uint64_t end = world.boottime_usec + usec;

        while (world.boottime_usec < end)
                step(0);
}

static void on_change(void *userdata)
{
        (void)userdata;
}

static int open_simulation(void **state)
{
        struct simulation *s = calloc(1, sizeof(*s));
        void *config;

        assert_non_null(s);
        assert_true(n_checks <= ROWS_MAX);
        memset(&world, 0, sizeof(world));
        world.boottime_usec = 17 * USEC_PER_SEC;
        world.realtime_usec = DAY_ONE_USEC;
        for (size_t i = 0; i < n_checks; i++) {
                s->table[i] = checks[i];
                s->table[i].start = simulated_start;
        }
        s->seed = 20261121;
        s->node.root = "/";
        current = s;
        assert_int_equal(config_parse(&node_health_config_type, "test", "{}", 2, &config, NULL), 0);
        s->config = config;
        assert_int_equal(scheduler_new(NULL, &s->node, s->table, n_checks, on_change, NULL, &s->scheduler),
                         0);
        assert_int_equal(scheduler_configure(s->scheduler, s->config, "node"), 0);
        *state = s;
        return 0;
}

static int close_simulation(void **state)
{
        struct simulation *s = *state;

        scheduler_free(s->scheduler);
        config_free(&node_health_config_type, s->config);
        free(s);
        return 0;
}

/* ---- what is promised ---- */

static void every_check_keeps_its_promise_through_years_of_trouble(void **state)
{
        struct simulation *s = *state;

        for (unsigned hour = 0; hour < 600; hour++) {
                /* Quiet, rare failures, a bad hour, all broken; and now and then a check that hangs. */
                s->fail_percent = (const unsigned[]){ 0, 1, 40, 100 }[hour % 4];
                s->hang_percent = hour % 10 == 9 ? 30 : 1;
                run_for(HOUR);
                for (size_t i = 0; i < n_checks; i++) {
                        const struct check_state *check = state_at(i);

                        /* Nothing in force is older than two intervals and what others may take meanwhile. */
                        assert_true(world.boottime_usec - s->witnesses[i].last_end_usec <=
                                    2 * check->interval_usec + 2 * USEC_PER_MIN);
                }
        }
        for (size_t i = 0; i < n_checks; i++)
                assert_true(s->witnesses[i].runs > 600 * HOUR / state_at(i)->interval_usec * 3 / 4);
}

static void failures_that_do_not_last_change_no_condition(void **state)
{
        static const struct condition_type storage = { .type = "NodeServicesReady",
                                                       .severity = SEVERITY_FATAL };
        struct simulation *s = *state;
        unsigned bad = 0;

        run_for(HOUR);
        for (unsigned minute = 0; minute < 20 * 1000; minute++) {
                struct verdict verdict;

                /* Two bad runs of any check in a row at most: less than fail_after of what feeds this
                 * condition. */
                s->fail_percent = minute % 3 == 0 ? 100 : 0;
                run_for(30 * USEC_PER_SEC);
                s->fail_percent = 0;
                run_for(90 * USEC_PER_SEC);
                assert_int_equal(aggregate(&storage, "Good", scheduler_states(s->scheduler), n_checks,
                                           &verdict),
                                 AGGREGATE_VERDICT);
                bad += verdict.status != CONDITION_TRUE;
        }
        assert_int_equal(bad, 0);
}

static void a_failure_that_lasts_is_told_in_time(void **state)
{
        struct simulation *s = *state;

        for (unsigned round = 0; round < 100; round++) {
                uint64_t began;

                s->fail_percent = 0;
                run_for(HOUR);
                s->fail_percent = 100;
                began = world.boottime_usec;
                run_for(HOUR);
                for (size_t i = 0; i < n_checks; i++) {
                        uint64_t limit_usec =
                                (s->table[i].fail_after + 1) * state_at(i)->interval_usec + USEC_PER_MIN;

                        if (world.boottime_usec - began >= limit_usec)
                                assert_int_equal(state_at(i)->result.status, CHECK_FAIL);
                }
        }
}

/* A scenario of 100 hours in which the wall clock does as `disturb` says. Returns the digest of all events.
 */
static uint64_t digest_of(void (*disturb)(unsigned hour))
{
        void *state = NULL;
        uint64_t digest;

        assert_int_equal(open_simulation(&state), 0);
        current->fail_percent = 20;
        current->hang_percent = 2;
        for (unsigned hour = 0; hour < 100; hour++) {
                disturb(hour);
                run_for(HOUR);
        }
        digest = current->events;
        assert_int_equal(close_simulation(&state), 0);
        return digest;
}

static void leave_alone(unsigned hour)
{
        (void)hour;
}

static void jump(unsigned hour)
{
        world.realtime_usec = hour % 2 ? USEC_PER_DAY : DAY_ONE_USEC * 2; /* 1970, and 2083 */
}

static void a_clock_that_is_set_moves_nothing(void **state)
{
        (void)state;
        assert_true(digest_of(leave_alone) == digest_of(jump));
}

static void a_suspend_makes_no_burst_and_no_failure(void **state)
{
        struct simulation *s = *state;

        run_for(HOUR);
        for (unsigned night = 0; night < 1000; night++) {
                uint64_t starts;

                run_for(HOUR);
                pass(8 * HOUR); /* CLOCK_BOOTTIME counts it; a run that was under way is past its deadline */
                starts = s->starts;
                step(0);
                run_for(15 * USEC_PER_SEC);
                /* Each once at once, and some a second time at their own moment. */
                assert_true(s->starts - starts <= 2 * n_checks);
                for (size_t i = 0; i < n_checks; i++)
                        if (s->table[i].fail_after > 1)
                                assert_int_equal(state_at(i)->result.status, CHECK_OK);
        }
}

static void a_loop_that_is_held_up_keeps_the_rhythm(void **state)
{
        struct simulation *s = *state;
        uint64_t phases[ROWS_MAX];

        run_for(HOUR);
        for (size_t i = 0; i < n_checks; i++)
                phases[i] = state_at(i)->phase_usec;
        for (unsigned i = 0; i < 20000; i++)
                step(draw(&s->seed) % 10 == 0 ? draw(&s->seed) % (20 * USEC_PER_SEC) : 0);
        run_for(HOUR);
        for (size_t i = 0; i < n_checks; i++) {
                assert_int_equal(state_at(i)->phase_usec, phases[i]);
                /* The next moment is one of its own. */
                assert_true(state_at(i)->running ||
                            state_at(i)->due_usec % state_at(i)->interval_usec == phases[i]);
        }
}

static void a_new_configuration_restarts_each_check_once_and_keeps_what_is_known(void **state)
{
        struct simulation *s = *state;

        s->fail_percent = 100;
        run_for(HOUR);
        for (unsigned i = 0; i < 1000; i++) {
                uint64_t starts = s->starts;

                assert_int_equal(scheduler_configure(s->scheduler, s->config, "node"), 0);
                for (size_t k = 0; k < n_checks; k++) {
                        assert_int_equal(state_at(k)->result.status, CHECK_FAIL);
                        s->witnesses[k].bad_row = s->table[k].fail_after;
                }
                run_for(10 * USEC_PER_SEC);
                assert_true(s->starts - starts <= 2 * n_checks);
        }
}

/* After a power failure of a whole site: all nodes start in the same second. */
static void many_nodes_ask_the_api_server_evenly(void **state)
{
        enum { NODES = 2000, SECONDS = 30 };
        unsigned per_second[SECONDS] = {};
        struct check_result result;
        struct check remote = {
                .name = "api-endpoint", .deadline_usec = USEC_PER_SEC, .fail_after = 3, .ok_after = 2
        };

        (void)state;
        check_result_set(&result, CHECK_OK, "Good", "good");
        for (unsigned node = 0; node < NODES; node++) {
                struct check_state check = { .check = &remote };
                uint64_t interval = SECONDS * USEC_PER_SEC, now = 20 * USEC_PER_SEC;
                char id[40];

                (void)snprintf(id, sizeof(id), "%08x%08x%08x", node * 2654435761U, node, node);
                schedule_enable(&check, interval, phase_of(id, remote.name, interval), now);
                check.running = true;
                check.started_usec = now;
                (void)schedule_finish(&check, &result, now);
                per_second[check.due_usec / USEC_PER_SEC % SECONDS]++;
        }
        for (size_t i = 0; i < SECONDS; i++)
                assert_true(per_second[i] <= 2 * NODES / SECONDS);
}

#define SIMULATION(test) cmocka_unit_test_setup_teardown(test, open_simulation, close_simulation)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SIMULATION(every_check_keeps_its_promise_through_years_of_trouble),
                SIMULATION(failures_that_do_not_last_change_no_condition),
                SIMULATION(a_failure_that_lasts_is_told_in_time),
                cmocka_unit_test(a_clock_that_is_set_moves_nothing),
                SIMULATION(a_suspend_makes_no_burst_and_no_failure),
                SIMULATION(a_loop_that_is_held_up_keeps_the_rhythm),
                SIMULATION(a_new_configuration_restarts_each_check_once_and_keeps_what_is_known),
                cmocka_unit_test(many_nodes_ask_the_api_server_evenly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
