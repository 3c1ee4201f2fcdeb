/* SPDX-License-Identifier: Apache-2.0 */

/* The scheduler on a real event loop; what needs long times is in test-node-health-schedule.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "files.h"
#include "node.h"
#include "quantity.h"
#include "scheduler.h"
#include "timestamp.h"

static unsigned n_running, n_running_max, n_started, n_cancelled, n_changed;
static struct check_run *held[8]; /* runs under way, to be finished by the test */

static int start_held(struct check_run *run);
static int start_fails(struct check_run *run)
{
        (void)run;
        return -EIO;
}

static int start_good(struct check_run *run)
{
        struct check_result result;

        n_started++;
        check_result_set(&result, CHECK_OK, "Good", "good");
        check_finish(run, &result);
        return 0;
}

/* A configuration whose switches the rows below point at. */
static struct node_health_config config;
#define SWITCH(member) .config = offsetof(struct node_health_config, checks.member)

static const struct check held_table[] = {
        { .name = "a",
          .start = start_held,
          .deadline_usec = USEC_PER_HOUR,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(kubelet) },
        { .name = "b",
          .start = start_held,
          .deadline_usec = USEC_PER_HOUR,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(containerd) },
        { .name = "c",
          .start = start_held,
          .deadline_usec = USEC_PER_HOUR,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(inodes) },
        { .name = "d",
          .start = start_held,
          .deadline_usec = USEC_PER_HOUR,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(clock) },
};
static const struct check slow_table[] = {
        { .name = "slow",
          .start = start_held,
          .deadline_usec = 50 * USEC_PER_MSEC,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(kubelet) },
};
static const struct check quick_table[] = {
        { .name = "good",
          .start = start_good,
          .deadline_usec = USEC_PER_SEC,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(kubelet) },
        { .name = "broken",
          .start = start_fails,
          .deadline_usec = USEC_PER_SEC,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(clock) },
};

static const struct check role_table[] = {
        { .name = "everywhere",
          .start = start_good,
          .deadline_usec = USEC_PER_SEC,
          .interval_usec = 50 * USEC_PER_MSEC,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(kubelet) },
        { .name = "control-plane",
          .role = ROLE_CONTROL_PLANE,
          .start = start_good,
          .deadline_usec = USEC_PER_SEC,
          .interval_usec = 50 * USEC_PER_MSEC,
          .fail_after = 1,
          .ok_after = 1,
          SWITCH(clock) },
};

static void cancel_held(struct check_run *run)
{
        for (size_t i = 0; i < ELEMENTS(held); i++)
                if (held[i] == run)
                        held[i] = NULL;
        n_cancelled++;
        n_running--;
}

static int start_held(struct check_run *run)
{
        run->cancel = cancel_held;
        n_started++;
        n_running++;
        n_running_max = n_running > n_running_max ? n_running : n_running_max;
        for (size_t i = 0; i < ELEMENTS(held); i++)
                if (!held[i]) {
                        held[i] = run;
                        return 0;
                }
        return -ENOBUFS;
}

static void finish_one(void)
{
        struct check_result result;

        check_result_set(&result, CHECK_OK, "Good", "good");
        for (size_t i = 0; i < ELEMENTS(held); i++)
                if (held[i]) {
                        struct check_run *run = held[i];

                        held[i] = NULL;
                        n_running--;
                        check_finish(run, &result);
                        return;
                }
}

static void note_change(void *userdata)
{
        (void)userdata;
        n_changed++;
}

static int setup(void **state)
{
        (void)state;
        memset(held, 0, sizeof(held));
        n_running = n_running_max = n_started = n_cancelled = n_changed = 0;
        config = (struct node_health_config){
                .interval_usec = USEC_PER_SEC,
                .checks = { .kubelet.enabled = true,
                            .containerd.enabled = true,
                            .inodes.enabled = true,
                            .clock.enabled = true },
        };
        return 0;
}

static char root[] = "/tmp/test-node-health-scheduler-XXXXXX";
static struct node node = { .root = root };

static struct scheduler *open_scheduler(sd_event **ret_event, const struct check *table, size_t count)
{
        struct scheduler *scheduler = NULL;

        assert_true(sd_event_new(ret_event) >= 0);
        assert_int_equal(scheduler_new(*ret_event, &node, table, count, note_change, NULL, &scheduler), 0);
        assert_int_equal(scheduler_configure(scheduler, &config, "node"), 0);
        return scheduler;
}

static void run_until_started(sd_event *event, unsigned n)
{
        while (n_started < n)
                assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
}

static void runs_two_at_once_and_the_others_as_these_end(void **state)
{
        sd_event *event = NULL;
        struct scheduler *scheduler = open_scheduler(&event, held_table, ELEMENTS(held_table));

        (void)state;
        run_until_started(event, 2);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(n_started, 2);
        finish_one();
        run_until_started(event, 3);
        finish_one();
        run_until_started(event, 4);
        assert_int_equal(n_running_max, 2);
        assert_int_equal(n_changed, 2);
        assert_int_equal(scheduler_states(scheduler)[0].result.status, CHECK_OK);

        scheduler_free(scheduler);
        assert_int_equal(n_cancelled, 2);
        sd_event_unref(event);
}

static void a_run_that_does_not_answer_is_cancelled_at_its_deadline(void **state)
{
        sd_event *event = NULL;
        struct scheduler *scheduler = open_scheduler(&event, slow_table, ELEMENTS(slow_table));

        (void)state;
        while (n_cancelled == 0)
                assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
        assert_string_equal(scheduler_states(scheduler)[0].result.reason, "CheckTimedOut");
        assert_int_equal(n_changed, 1);
        scheduler_free(scheduler);
        sd_event_unref(event);
}

static void a_check_that_cannot_start_is_unknown_and_comes_again(void **state)
{
        sd_event *event = NULL;
        struct scheduler *scheduler = open_scheduler(&event, quick_table, ELEMENTS(quick_table));
        const struct check_state *states = scheduler_states(scheduler);

        (void)state;
        run_until_started(event, 2);
        assert_string_equal(states[0].result.reason, "Good");
        assert_string_equal(states[1].result.reason, "CheckFailed");
        assert_string_equal(states[1].result.message, "cannot check: Input/output error");
        assert_true(states[0].since_realtime_usec <= states[0].last_run_realtime_usec);
        scheduler_free(scheduler);
        sd_event_unref(event);
}

static void a_new_configuration_cancels_what_runs_and_switches_off(void **state)
{
        sd_event *event = NULL;
        struct scheduler *scheduler = open_scheduler(&event, held_table, ELEMENTS(held_table));

        (void)state;
        run_until_started(event, 2);
        config.checks.kubelet.enabled = false;
        config.checks.containerd.enabled = false;
        config.checks.inodes.enabled = false;
        assert_int_equal(scheduler_configure(scheduler, &config, "node"), 0);
        assert_int_equal(n_cancelled, 2);
        run_until_started(event, 3);
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(n_running, 1);
        assert_false(scheduler_states(scheduler)[0].enabled);
        assert_true(scheduler_states(scheduler)[3].running);
        scheduler_free(scheduler);
        sd_event_unref(event);
}

static void a_row_runs_only_where_its_role_holds_and_comes_when_the_node_takes_it(void **state)
{
        _cleanup_free_ char *manifests = path_under(root, "/etc/kubernetes/manifests"),
                            *manifest = path_under(root, "/etc/kubernetes/manifests/kube-scheduler.yaml");
        sd_event *event = NULL;
        struct scheduler *scheduler = open_scheduler(&event, role_table, ELEMENTS(role_table));
        const struct check_state *states = scheduler_states(scheduler);

        (void)state;
        assert_true(states[1].absent);
        run_until_started(event, 3);
        assert_true(states[0].known);
        assert_true(states[1].absent);
        assert_false(states[1].known);

        assert_int_equal(directory_make(manifests, 0755), 0);
        assert_int_equal(file_write(manifest, "", 0, 0600), 0);
        while (states[1].absent)
                assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
        assert_true(states[1].known);
        assert_int_equal(states[1].result.status, CHECK_OK);

        assert_int_equal(unlink(manifest), 0);
        while (!states[1].absent)
                assert_true(sd_event_run(event, 10 * USEC_PER_SEC) > 0);
        assert_false(states[1].known);
        scheduler_free(scheduler);
        sd_event_unref(event);
}

static int make_root(void **state)
{
        (void)state;
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        static const char *const directories[] = { "/etc/kubernetes/manifests", "/etc/kubernetes", "/etc",
                                                   "" };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(directories); i++) {
                _cleanup_free_ char *path = path_under(root, directories[i]);

                assert_int_equal(rmdir(path), 0);
        }
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(runs_two_at_once_and_the_others_as_these_end, setup),
                cmocka_unit_test_setup(a_run_that_does_not_answer_is_cancelled_at_its_deadline, setup),
                cmocka_unit_test_setup(a_check_that_cannot_start_is_unknown_and_comes_again, setup),
                cmocka_unit_test_setup(a_new_configuration_cancels_what_runs_and_switches_off, setup),
                cmocka_unit_test_setup(a_row_runs_only_where_its_role_holds_and_comes_when_the_node_takes_it,
                                       setup),
        };

        return cmocka_run_group_tests(tests, make_root, remove_root);
}
