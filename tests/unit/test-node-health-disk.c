/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "check-run-end.h"
#include "disk.c"

#define GIB (UINT64_C(1) << 30)

static char *paths[] = { "/", "/var/lib/etcd", "/var/log" };
static const struct space_config config = {
        .enabled = true,
        .warn = 0.05,
        .fail = 0.03,
        .paths = { paths, ELEMENTS(paths) },
};

static struct filesystem disk_with(uint64_t device, unsigned percent_free)
{
        return (struct filesystem){
                .device = device,
                .size = 40 * GIB,
                .available = 40 * GIB / 100 * percent_free,
                .inodes = 1000,
                .inodes_available = 10 * percent_free,
        };
}

static const struct filesystem absent = { .error = ENOENT };

static struct check_result judge_three(const struct resource *resource, struct filesystem a,
                                       struct filesystem b, struct filesystem c)
{
        struct disk_watch disk = { .found = { a, b, c }, .count = 3 };
        struct check_result result;

        judge(resource, &config, &disk, &result);
        return result;
}

static void is_good_at_the_limit_and_above(void **state)
{
        struct check_result result = judge_three(&space, disk_with(1, 6), absent, absent);

        (void)state;
        assert_int_equal(result.status, CHECK_OK);
        assert_string_equal(result.reason, "EnoughSpace");
        assert_float_equal(result.value, 0.06, 0.0001);
        assert_float_equal(result.threshold, 0.05, 0);
}

static void warns_below_the_first_limit_and_fails_below_the_second(void **state)
{
        struct check_result warn = judge_three(&space, disk_with(1, 4), absent, absent);
        struct check_result fail = judge_three(&space, disk_with(1, 2), absent, absent);

        (void)state;
        assert_int_equal(warn.status, CHECK_WARN);
        assert_string_equal(warn.reason, "DiskSpaceLow");
        assert_float_equal(warn.threshold, 0.05, 0);
        assert_int_equal(fail.status, CHECK_FAIL);
        assert_string_equal(fail.reason, "DiskSpaceLow");
        assert_float_equal(fail.threshold, 0.03, 0);
        assert_string_equal(fail.message,
                            "/ has 1% of its 40.0 GiB free; it fails below 3%; remove old images, logs or "
                            "snapshots, or enlarge it");
}

static void the_worst_file_system_decides_and_all_that_are_low_are_named(void **state)
{
        struct check_result result = judge_three(&inode, disk_with(1, 50), disk_with(2, 4), disk_with(3, 1));

        (void)state;
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "InodesLow");
        assert_float_equal(result.value, 0.01, 0.0001);
        assert_non_null(
                strstr(result.message, "/var/lib/etcd has 4% of its 1000 inodes free, /var/log has 1% of"));
        assert_null(strstr(result.message, "/ has"));
}

static void one_file_system_under_several_paths_counts_once(void **state)
{
        struct check_result result = judge_three(&space, disk_with(7, 2), disk_with(7, 2), disk_with(7, 2));

        (void)state;
        assert_int_equal(result.status, CHECK_FAIL);
        assert_null(strstr(result.message, "/var"));
}

static void paths_that_do_not_exist_are_left_out(void **state)
{
        assert_int_equal(judge_three(&space, disk_with(1, 50), absent, absent).status, CHECK_OK);

        (void)state;
        assert_int_equal(judge_three(&space, absent, absent, absent).status, CHECK_UNKNOWN);
        assert_string_equal(judge_three(&space, absent, absent, absent).reason, "NoFileSystemFound");
}

static void a_file_system_that_cannot_be_read_is_unknown(void **state)
{
        struct filesystem broken = { .error = EIO };
        struct check_result result = judge_three(&space, disk_with(1, 50), broken, absent);

        (void)state;
        assert_int_equal(result.status, CHECK_UNKNOWN);
        assert_string_equal(result.message, "cannot look at /var/lib/etcd: Input/output error");
}

static void a_file_system_without_inodes_is_left_out(void **state)
{
        struct filesystem btrfs = disk_with(1, 50);

        (void)state;
        btrfs.inodes = 0;
        btrfs.inodes_available = 0;
        assert_int_equal(judge_three(&inode, btrfs, disk_with(2, 50), absent).status, CHECK_OK);
        assert_int_equal(judge_three(&inode, btrfs, absent, absent).status, CHECK_UNKNOWN);
}

static void looks_at_this_machine(void **state)
{
        struct filesystem found;

        (void)state;
        look("/", "/proc", &found);
        assert_int_equal(found.error, 0);
        assert_true(isnan(space_ratio(&found)));
        look("/", "/tmp", &found);
        assert_int_equal(found.error, 0);
        assert_true(space_ratio(&found) > 0 && space_ratio(&found) <= 1);
        look("/nowhere", "/tmp", &found);
        assert_int_equal(found.error, ENOENT);
}

static void only_what_may_hang_is_looked_at_in_a_child(void **state)
{
        static const char *const types[] = { "ext4", "xfs", "tmpfs" };
        static const char *const others[] = { "nfs4", "fuse.sshfs", "btrfs", "overlay", "9p", "" };
        char *looked_at[] = { "/proc", "/nowhere/on/this/machine" };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(types); i++)
                assert_true(type_answers_at_once(types[i]));
        for (size_t i = 0; i < ELEMENTS(others); i++)
                assert_false(type_answers_at_once(others[i]));
        /* One that may hang is enough, also where the path does not exist: it may tomorrow. */
        assert_false(all_answer_at_once("/", &(struct config_strings){ looked_at, 1 }));
        assert_false(all_answer_at_once("/", &(struct config_strings){ looked_at, 2 }));
}

static void a_local_file_system_is_looked_at_without_a_child(void **state)
{
        struct node_health_config all = { .checks.disk_space = config };
        struct node node = {};
        struct check_run run = { .node = &node };

        (void)state;
        node_init(&node, NULL, "/"); /* without a loop no child could answer */
        node_configure(&node, &all);
        node.space.at_once = true;
        node.space.at_once_until_usec = UINT64_MAX;
        run_end.finished = false;
        assert_int_equal(disk_space_start(&run), 0);
        assert_true(run_end.finished && !run_end.absent);
        assert_int_equal(node.space.probe.pid, 0);
        assert_int_equal(node.space.count, ELEMENTS(paths));
}

static void one_look_does_for_space_and_inodes_when_they_ask_for_the_same_paths(void **state)
{
        static char *others[] = { "/", "/var/log" };
        static struct node_health_config node_config;
        static struct node node = { .root = "/", .config = &node_config };
        struct check_run run = { .node = &node };

        (void)state;
        node_config.checks.disk_space = node_config.checks.inodes = config;
        node.space.at_once = node.inodes.at_once = true;
        node.space.at_once_until_usec = node.inodes.at_once_until_usec = UINT64_MAX;
        assert_int_equal(disk_space_start(&run), 0);
        node.space.found_usec = UINT64_MAX / 2;
        node.space.found[0].available = 12345; /* as nobody but the first has seen it */
        assert_int_equal(inodes_start(&run), 0);
        assert_int_equal(node.inodes.found[0].available, 12345);

        node.space.found_usec = 0; /* long ago */
        assert_int_equal(inodes_start(&run), 0);
        assert_int_not_equal(node.inodes.found[0].available, 12345);

        node_config.checks.inodes.paths = (struct config_strings){ others, ELEMENTS(others) };
        assert_int_equal(disk_space_start(&run), 0);
        node.space.found_usec = UINT64_MAX / 2;
        node.space.found[0].available = 12345;
        assert_int_equal(inodes_start(&run), 0);
        assert_int_equal(node.inodes.count, 2);
        assert_int_not_equal(node.inodes.found[0].available, 12345);
}

/* ---- the child that looks ---- */

struct answer {
        size_t size;
        bool come;
};

static void take_answer(const void *answer, size_t size, void *userdata)
{
        struct answer *to = userdata;

        (void)answer;
        to->size = size;
        to->come = true;
}

static void say_hello(int fd, void *userdata)
{
        (void)userdata;
        (void)write_all(fd, "hello", 5);
}

static void say_nothing(int fd, void *userdata)
{
        (void)fd;
        (void)userdata;
}

static void hang(int fd, void *userdata)
{
        (void)fd;
        (void)userdata;
        for (;;)
                (void)pause();
}

static void run_until_answer(sd_event *event, struct answer *answer)
{
        while (!answer->come)
                assert_true(sd_event_run(event, 60 * USEC_PER_SEC) > 0);
}

static void a_child_answers_or_is_known_to_have_died(void **state)
{
        struct probe probe = PROBE_NONE;
        struct answer answer = {};
        sd_event *event = NULL;

        (void)state;
        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(probe_start(&probe, event, say_hello, take_answer, &answer), 0);
        run_until_answer(event, &answer);
        assert_int_equal(answer.size, 5);
        assert_int_equal(probe.pid, 0);

        answer.come = false;
        assert_int_equal(probe_start(&probe, event, say_nothing, take_answer, &answer), 0);
        run_until_answer(event, &answer);
        assert_int_equal(answer.size, 0);
        sd_event_unref(event);
}

static void a_child_that_hangs_is_killed_and_reaped_before_the_next(void **state)
{
        struct probe probe = PROBE_NONE;
        struct answer answer = {};
        sd_event *event = NULL;
        pid_t pid;

        (void)state;
        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(probe_start(&probe, event, hang, take_answer, &answer), 0);
        pid = probe.pid;
        probe_stop(&probe);
        if (probe.pid > 0)
                assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){}, WEXITED | WNOWAIT), 0);
        assert_false(answer.come);
        answer.come = false;
        assert_int_equal(probe_start(&probe, event, say_hello, take_answer, &answer), 0);
        run_until_answer(event, &answer);
        assert_int_equal(answer.size, 5);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
        sd_event_unref(event);
}

static void no_second_child_is_started_beside_one_that_cannot_be_killed(void **state)
{
        struct probe probe = PROBE_NONE;
        struct answer answer = {};
        sd_event *event = NULL;

        (void)state;
        assert_true(sd_event_new(&event) >= 0);
        /* Uninterruptible sleep is not to be had here; a child of which nobody asks the end is the same to
         * probe_start. */
        assert_int_equal(probe_start(&probe, event, hang, take_answer, &answer), 0);
        probe.source = sd_event_source_disable_unref(probe.source);
        close(probe.fd);
        assert_int_equal(probe_start(&probe, event, say_hello, take_answer, &answer), -EBUSY);
        assert_int_equal(kill(probe.pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)probe.pid, &(siginfo_t){}, WEXITED | WNOWAIT), 0);
        assert_int_equal(probe_start(&probe, event, say_hello, take_answer, &answer), 0);
        run_until_answer(event, &answer);
        sd_event_unref(event);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_good_at_the_limit_and_above),
                cmocka_unit_test(warns_below_the_first_limit_and_fails_below_the_second),
                cmocka_unit_test(the_worst_file_system_decides_and_all_that_are_low_are_named),
                cmocka_unit_test(one_file_system_under_several_paths_counts_once),
                cmocka_unit_test(paths_that_do_not_exist_are_left_out),
                cmocka_unit_test(a_file_system_that_cannot_be_read_is_unknown),
                cmocka_unit_test(a_file_system_without_inodes_is_left_out),
                cmocka_unit_test(looks_at_this_machine),
                cmocka_unit_test(only_what_may_hang_is_looked_at_in_a_child),
                cmocka_unit_test(a_local_file_system_is_looked_at_without_a_child),
                cmocka_unit_test(one_look_does_for_space_and_inodes_when_they_ask_for_the_same_paths),
                cmocka_unit_test(a_child_answers_or_is_known_to_have_died),
                cmocka_unit_test(a_child_that_hangs_is_killed_and_reaped_before_the_next),
                cmocka_unit_test(no_second_child_is_started_beside_one_that_cannot_be_killed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
