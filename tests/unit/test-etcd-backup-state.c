/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "control-plane.h"
#include "files.h"
#include "last-run.h"
#include "lock.h"
#include "target-state.h"

static char directory[] = "/tmp/test-etcd-backup-state-XXXXXX";

static int set_up(void **state)
{
        strcpy(strrchr(directory, '-'), "-XXXXXX");
        return mkdtemp(directory) && chdir(directory) == 0 &&
                               directory_make("etc/kubernetes/manifests", 0755) == 0 &&
                               directory_make("state", 0700) == 0
                       ? 0
                       : -1;
}

static int tear_down(void **state)
{
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return chdir("/") == 0 ? system(command) : -1;
}

static enum node_role look(struct control_plane *control_plane)
{
        assert_int_equal(control_plane_look(directory, "state", control_plane), 0);
        return control_plane->role;
}

static void tells_waiting_worker_and_control_plane_apart(void **state)
{
        struct control_plane seen;

        assert_int_equal(look(&seen), ROLE_WAITING);
        assert_int_equal(file_write("etc/kubernetes/kubelet.conf", "", 0, 0600), 0);
        assert_int_equal(look(&seen), ROLE_WORKER);
        assert_int_equal(file_write("etc/kubernetes/manifests/etcd.yaml", "", 0, 0600), 0);
        assert_int_equal(look(&seen), ROLE_CONTROL_PLANE);
}

static void stays_a_control_plane_when_the_manifest_is_moved_away(void **state)
{
        struct control_plane seen;

        assert_int_equal(file_write("etc/kubernetes/kubelet.conf", "", 0, 0600), 0);
        assert_int_equal(file_write("etc/kubernetes/manifests/etcd.yaml", "", 0, 0600), 0);
        assert_int_equal(look(&seen), ROLE_CONTROL_PLANE);
        unlink("etc/kubernetes/manifests/etcd.yaml");
        assert_int_equal(look(&seen), ROLE_CONTROL_PLANE);
        assert_int_equal(control_plane_forget("state"), 0);
        assert_int_equal(look(&seen), ROLE_WORKER);
}

static void remembers_since_when_over_a_restart(void **state)
{
        struct control_plane first, again;

        look(&first);
        look(&again);
        assert_true(first.since.boottime_usec == again.since.boottime_usec);
        assert_true(first.boot.boottime_usec == again.boot.boottime_usec);
        assert_int_equal(file_write("etc/kubernetes/manifests/etcd.yaml", "", 0, 0600), 0);
        look(&again);
        assert_true(again.since.boottime_usec > first.since.boottime_usec);
        assert_true(first.boot.boottime_usec == again.boot.boottime_usec);
}

static void recovers_from_a_broken_state_file(void **state)
{
        struct control_plane seen;

        assert_int_equal(file_write("state/control-plane.json", "{", 1, 0600), 0);
        assert_int_equal(look(&seen), ROLE_WAITING);
}

static void the_last_run_survives_being_written(void **state)
{
        const struct last_run run = {
                .reason = (char *)"DiskFull",
                .message = (char *)"no \"room\" in /var",
                .duration_usec = 7,
                .runs = 12,
                .failures = 3,
                .sequence = 9,
                .finished = { .realtime_usec = 1795255200000000, .boottime_usec = 5, .boot_id = "b" }
        };
        _cleanup_last_run_ read = {};

        assert_int_equal(last_run_load("state", &read), -ENOENT);
        assert_int_equal(last_run_save("state", &run), 0);
        assert_int_equal(last_run_load("state", &read), 0);
        assert_false(read.success);
        assert_string_equal(read.reason, run.reason);
        assert_string_equal(read.message, run.message);
        assert_int_equal(read.failures, 3);
        assert_int_equal(read.sequence, 9);
        assert_int_equal(read.finished.realtime_usec, run.finished.realtime_usec);
}

static void a_broken_record_of_the_last_run_is_refused(void **state)
{
        static const char *const texts[] = { "", "{}", "[]", "{\"result\":\"Success\"}" };
        _cleanup_last_run_ read = {};

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                assert_int_equal(file_write("state/" LAST_RUN_FILE, texts[i], strlen(texts[i]), 0600), 0);
                assert_int_equal(last_run_load("state", &read), -EINVAL);
        }
}

static void what_targets_said_is_forgotten_with_the_configuration(void **state)
{
        _cleanup_(target_state_clear) struct target_state read = {};

        assert_int_equal(target_states_forget("state"), 0);
        assert_int_equal(target_state_save("state", "one", &(struct target_state){ .copies = 3 }), 0);
        assert_int_equal(target_state_load("state", "one", &read), 0);
        assert_int_equal(target_states_forget("state"), 0);
        assert_int_equal(access("state/targets", F_OK), -1);
}

/* flock(1) writes none, and leaves that of a process which is gone. */
static void a_lock_whose_text_tells_nobody_is_held_all_the_same(void **state)
{
        static const char *const texts[] = { "",
                                             "drill",
                                             "-1 drill\n",
                                             "99999999999 drill\n",
                                             "0 drill\n",
                                             "12drill\n",
                                             "4194304 drill\n" /* above any */ };
        int one = -EBADF, two = -EBADF;
        char who[LOCK_WHO_SIZE];

        assert_int_equal(lock_take("state", "drill", &one, who), 0);
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                assert_int_equal(ftruncate(one, 0), 0);
                assert_int_equal(pwrite(one, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
                assert_int_equal(lock_take("state", "snapshot", &two, who), -EBUSY);
                assert_string_equal(
                        who, "another program works on this member: lslocks shows who holds state/lock");
        }
        close(one);
}

static void only_one_holds_the_lock_and_the_second_learns_who(void **state)
{
        char who[LOCK_WHO_SIZE], expected[LOCK_WHO_SIZE];
        int one = -EBADF, two = -EBADF;

        assert_int_equal(lock_take("state", "drill", &one, who), 0);
        assert_int_equal(lock_take("state", "snapshot", &two, who), -EBUSY);
        (void)snprintf(expected, sizeof(expected), "a drill of this member is under way (pid %d)",
                       (int)getpid());
        assert_string_equal(who, expected);
        close(one);
        assert_int_equal(lock_take("state", "snapshot", &two, who), 0);
        close(two);
}

#define STATE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STATE_TEST(tells_waiting_worker_and_control_plane_apart),
                STATE_TEST(stays_a_control_plane_when_the_manifest_is_moved_away),
                STATE_TEST(remembers_since_when_over_a_restart),
                STATE_TEST(recovers_from_a_broken_state_file),
                STATE_TEST(the_last_run_survives_being_written),
                STATE_TEST(a_broken_record_of_the_last_run_is_refused),
                STATE_TEST(what_targets_said_is_forgotten_with_the_configuration),
                STATE_TEST(a_lock_whose_text_tells_nobody_is_held_all_the_same),
                STATE_TEST(only_one_holds_the_lock_and_the_second_learns_who),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
