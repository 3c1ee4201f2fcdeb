/* SPDX-License-Identifier: Apache-2.0 */

/* The real plugin below a scratch root, with real file systems that fill up and turn read-only, and a real
 * bus. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "files.h"
#include "health-node.h"
#include "program.h"
#include "report.h"

#define CONFIG_PATH "etc/capi-node-agent/node-health.json"
/* What listens on this machine, and not below the root, is looked at in test-node-health-services.c. */
#define SERVICES_OFF                                                                             \
        "\"bootstrap\": { \"enabled\": false }, \"container-runtime\": { \"enabled\": false }, " \
        "\"kubelet-health\": { \"enabled\": false }, \"kube-proxy\": { \"enabled\": false }"
#define EVERY_SECOND "{ \"interval\": \"1s\", \"checks\": { " SERVICES_OFF " } }"

static bool seen_unknown; /* by wait_for, of the condition that it waits for */

static void start_plugin(struct health_node *node)
{
        node->plugin =
                program_start(NODE_HEALTH, (const char *const[]){ "--root", node->root, "daemon", NULL });
}

static void mount_tmpfs(const struct health_node *node, const char *path, const char *options)
{
        _cleanup_free_ char *full = path_under(node->root, path);

        assert_int_equal(directory_make(full, 0755), 0);
        assert_int_equal(mount("tmpfs", full, "tmpfs", 0, options), 0);
}

/* The root is a file system of its own, which a test may make read-only; /run, with the reports, stays
 * writable. */
static int make_node(void **state)
{
        struct health_node *node;

        (void)health_node_make(state);
        node = *state;
        mount_tmpfs(node, "/", "size=16m");
        mount_tmpfs(node, "/run", "size=16m");
        mount_tmpfs(node, "/var/lib", "size=16m");
        mount_tmpfs(node, "/var/lib/etcd", "size=1m");
        mount_tmpfs(node, "/etc/capi-node-agent", "size=1m");
        root_write(node->root, CONFIG_PATH, EVERY_SECOND, 0644);
        seen_unknown = false;
        return 0;
}

static int remove_node(void **state)
{
        struct health_node *node = *state;

        if (node->plugin > 0)
                assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        node->plugin = 0;
        assert_int_equal(umount2(node->root, MNT_DETACH), 0);
        return health_node_remove(state);
}

static void join_cluster(const struct health_node *node)
{
        health_node_make_directory(node, "/etc/kubernetes");
        root_write(node->root, "etc/kubernetes/kubelet.conf", "", 0600);
}

/* ---- waiting ---- */

static const struct condition *condition_of(const struct report *report, const char *type)
{
        for (size_t i = 0; report && i < report->n_conditions; i++)
                if (strcmp(report->conditions[i].type, type) == 0)
                        return &report->conditions[i];
        return NULL;
}

struct expectation {
        struct health_node *node;
        const char *type;
        enum condition_status status;
        const char *reason;
        int64_t other_than_pid; /* only a report of another process counts */
        struct report *found;   /* in which it holds */
};

static bool holds(void *userdata)
{
        struct expectation *expected = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        const struct condition *condition;

        fake_systemd_serve(&expected->node->systemd);
        report = health_node_report(expected->node);
        condition = condition_of(report, expected->type);
        if (!condition || report->pid == expected->other_than_pid)
                return false;
        if (condition->status == expected->status && strcmp(condition->reason, expected->reason) == 0) {
                expected->found = TAKE_PTR(report);
                return true;
        }
        seen_unknown |= condition->status == CONDITION_UNKNOWN;
        return false;
}

/* Returns the report in which it holds; the caller's. */
static struct report *wait_for(struct health_node *node, const char *type, enum condition_status status,
                               const char *reason)
{
        struct expectation expected = { node, type, status, reason };

        seen_unknown = false;
        wait_until(holds, &expected, reason);
        return expected.found;
}

static void wait_and_drop(struct health_node *node, const char *type, enum condition_status status,
                          const char *reason)
{
        report_free(wait_for(node, type, status, reason));
}

static json_object *check_of(const struct report *report, const char *name)
{
        for (size_t i = 0; i < json_object_array_length(report->checks); i++) {
                json_object *check = json_object_array_get_idx(report->checks, i);

                if (strcmp(json_string(check, "name"), name) == 0)
                        return check;
        }
        return NULL;
}

static bool no_services_condition(void *userdata)
{
        _cleanup_(report_freep) struct report *report = health_node_report(userdata);

        return report && report->applied && !condition_of(report, "NodeServicesReady");
}

static bool has_last_error(void *userdata)
{
        struct health_node *node = userdata;
        _cleanup_(report_freep) struct report *report = NULL;

        fake_systemd_serve(&node->systemd);
        report = health_node_report(node);
        return report && report->last_error;
}

/* ---- what is promised ---- */

static void nothing_is_healthy_before_it_was_checked(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *first = NULL;

        join_cluster(node);
        fake_systemd_start(&node->systemd, node->root);
        node->systemd.silent = true;
        start_plugin(node);

        first = wait_for(node, "NodeServicesReady", CONDITION_UNKNOWN, "NotCheckedYet");
        assert_string_equal(json_string(check_of(first, "kubelet"), "status"), "Unknown");
        assert_string_equal(json_string(check_of(first, "kubelet"), "reason"), "NotCheckedYet");
        assert_null(json_string(check_of(first, "kubelet"), "lastRun"));

        /* A check that does not answer is Unknown, and holds up the others no longer than its deadline. */
        wait_and_drop(node, "NodeServicesReady", CONDITION_UNKNOWN, "CheckTimedOut");
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");

        node->systemd.silent = false;
        wait_and_drop(node, "NodeServicesReady", CONDITION_TRUE, "AllServicesRunning");
}

static void reports_checks_metrics_and_versions(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;
        json_object *check;

        start_plugin(node);
        report = wait_for(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
        check = check_of(report, "disk-space");
        assert_non_null(check);
        assert_string_equal(json_string(check, "status"), "OK");
        assert_string_equal(json_string(check, "reason"), "EnoughSpace");
        assert_non_null(json_string(check, "since"));
        assert_non_null(json_string(check, "lastRun"));
        assert_non_null(json_member(check, "durationMs", json_type_double));
        assert_non_null(json_member(check, "value", json_type_double));
        assert_float_equal(json_object_get_double(json_member(check, "threshold", json_type_double)), 0.05,
                           0);
        assert_string_equal(json_string(check, "doc"), "man:capi-node-node-health(8)#disk-space");
        assert_non_null(check_of(report, "clock"));
        assert_non_null(json_string(report->versions, "kernel"));
        assert_true(json_object_array_length(report->metrics) >= 5);
}

static void without_a_bus_the_services_are_unknown_until_it_comes(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;

        join_cluster(node);
        start_plugin(node);
        report = wait_for(node, "NodeServicesReady", CONDITION_UNKNOWN, "BusUnavailable");
        assert_non_null(
                strstr(condition_of(report, "NodeServicesReady")->message, "systemctl status dbus.service"));

        fake_systemd_start(&node->systemd, node->root);
        wait_and_drop(node, "NodeServicesReady", CONDITION_TRUE, "AllServicesRunning");

        fake_systemd_stop(&node->systemd);
        wait_and_drop(node, "NodeServicesReady", CONDITION_UNKNOWN, "BusUnavailable");
        fake_systemd_start(&node->systemd, node->root);
        wait_and_drop(node, "NodeServicesReady", CONDITION_TRUE, "AllServicesRunning");
}

static void before_kubeadm_has_run_the_kubelet_is_no_fault(void **state)
{
        struct health_node *node = *state;

        fake_systemd_start(&node->systemd, node->root);
        fake_systemd_unit(&node->systemd, "kubelet.service")->active_state = "activating";
        fake_systemd_unit(&node->systemd, "kubelet.service")->sub_state = "auto-restart";
        start_plugin(node);
        wait_and_drop(node, "NodeServicesReady", CONDITION_UNKNOWN, "NotBootstrapped");
        join_cluster(node);
        wait_and_drop(node, "NodeServicesReady", CONDITION_FALSE, "KubeletCrashing");
        fake_systemd_unit(&node->systemd, "kubelet.service")->active_state = "active";
        fake_systemd_unit(&node->systemd, "kubelet.service")->sub_state = "running";
        wait_and_drop(node, "NodeServicesReady", CONDITION_TRUE, "AllServicesRunning");
}

static void a_failed_service_fails_the_node_and_a_restart_of_the_plugin_keeps_the_time(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *before = NULL, *after = NULL;
        struct expectation again = { node, "NodeServicesReady", CONDITION_FALSE, "ContainerdFailed" };
        uint64_t since;

        join_cluster(node);
        fake_systemd_start(&node->systemd, node->root);
        start_plugin(node);
        wait_and_drop(node, "NodeServicesReady", CONDITION_TRUE, "AllServicesRunning");

        fake_systemd_unit(&node->systemd, "containerd.service")->active_state = "failed";
        before = wait_for(node, "NodeServicesReady", CONDITION_FALSE, "ContainerdFailed");
        since = condition_of(before, "NodeServicesReady")->transition_usec;
        again.other_than_pid = before->pid;

        assert_int_equal(program_stop(node->plugin, SIGKILL), -SIGKILL);
        start_plugin(node);
        seen_unknown = false;
        wait_until(holds, &again, "the failure, seen by the new process");
        assert_false(seen_unknown);
        after = again.found;
        assert_int_equal(condition_of(after, "NodeServicesReady")->transition_usec, since);
}

static void a_full_disk_fails_after_a_while_and_recovers(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = path_under(node->root, "/var/lib/etcd/db"),
                            *data = calloc(1, 1024 * 1024);

        start_plugin(node);
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
        assert_int_equal(file_write(path, data, 1012 * 1024, 0600), 0);
        report = wait_for(node, "NodeStorageReady", CONDITION_FALSE, "DiskSpaceLow");
        assert_non_null(strstr(condition_of(report, "NodeStorageReady")->message, "/var/lib/etcd has "));
        assert_string_equal(json_string(check_of(report, "disk-space"), "status"), "Fail");
        assert_int_equal(unlink(path), 0);
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
}

static void a_read_only_root_fails_and_a_read_only_mount_of_it_does_not(void **state)
{
        struct health_node *node = *state;

        /* What ProtectSystem=strict does to the plugin. */
        assert_int_equal(mount(NULL, node->root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        start_plugin(node);
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");

        /* What the kernel does after an I/O error. */
        assert_int_equal(mount(NULL, node->root, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        wait_and_drop(node, "NodeStorageReady", CONDITION_FALSE, "RootReadOnly");
        assert_int_equal(mount(NULL, node->root, NULL, MS_REMOUNT, NULL), 0);
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
}

static void a_file_system_that_turns_read_only_is_told_and_clears(void **state)
{
        struct health_node *node = *state;
        _cleanup_free_ char *etcd = path_under(node->root, "/var/lib/etcd");
        _cleanup_(report_freep) struct report *report = NULL;

        start_plugin(node);
        wait_and_drop(node, "ReadonlyFilesystem", CONDITION_FALSE, "FilesystemIsNotReadOnly");
        assert_int_equal(mount(NULL, etcd, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        report = wait_for(node, "ReadonlyFilesystem", CONDITION_TRUE, "FilesystemIsReadOnly");
        assert_non_null(
                strstr(condition_of(report, "ReadonlyFilesystem")->message, "/var/lib/etcd (tmpfs on"));
        assert_int_equal(condition_healthy(condition_of(report, "ReadonlyFilesystem")), 0);
        assert_int_equal(mount(NULL, etcd, NULL, MS_REMOUNT, NULL), 0);
        wait_and_drop(node, "ReadonlyFilesystem", CONDITION_FALSE, "FilesystemIsNotReadOnly");
}

/* A pipe in the place of the kernel's log; facility 0 is the kernel. */
static void what_the_kernel_says_is_told_also_after_the_plugin_was_killed(void **state)
{
        static const char said[] = "4,7,1000000,-;nothing of interest\n"
                                   "2,8,1000001,-;Oops: 0002 [#1] SMP NOPTI\n";
        struct health_node *node = *state;
        _cleanup_free_ char *path = path_under(node->root, "/dev/kmsg"),
                            *dev = path_under(node->root, "/dev");
        struct expectation again = { node, "KernelDeadlock", CONDITION_TRUE, "KernelOops" };
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_close_ int writer = -EBADF;

        assert_int_equal(directory_make(dev, 0755), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        writer = open(path, O_RDWR | O_CLOEXEC);
        assert_true(writer >= 0);
        start_plugin(node);
        wait_and_drop(node, "KernelDeadlock", CONDITION_FALSE, "KernelHasNoDeadlock");
        assert_int_equal(write(writer, said, sizeof(said) - 1), sizeof(said) - 1);
        report = wait_for(node, "KernelDeadlock", CONDITION_TRUE, "KernelOops");
        assert_non_null(strstr(condition_of(report, "KernelDeadlock")->message, "until the next boot"));
        again.other_than_pid = report->pid;

        assert_int_equal(program_stop(node->plugin, SIGKILL), -SIGKILL);
        start_plugin(node);
        seen_unknown = false;
        wait_until(holds, &again, "the oops, told by the new process");
        report_free(again.found);
        assert_false(seen_unknown);
}

static void checks_that_are_switched_off_set_no_condition(void **state)
{
        struct health_node *node = *state;

        start_plugin(node);
        wait_and_drop(node, "NodeServicesReady", CONDITION_UNKNOWN, "NotBootstrapped");
        root_write(node->root, CONFIG_PATH,
                   "{ \"interval\": \"1s\", \"checks\": { " SERVICES_OFF
                   ", \"kubelet\": { \"enabled\": false }, \"containerd\": { \"enabled\": false }, "
                   "\"api-endpoint\": { \"enabled\": false }, \"units\": { \"enabled\": false } } }",
                   0644);
        wait_until(no_services_condition, node, "a report without NodeServicesReady");
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
        root_write(node->root, CONFIG_PATH, EVERY_SECOND, 0644);
        wait_and_drop(node, "NodeServicesReady", CONDITION_UNKNOWN, "NotBootstrapped");
}

static void an_invalid_configuration_leaves_the_last_good_one_in_force(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *before = NULL, *after = NULL;

        start_plugin(node);
        before = wait_for(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
        root_write(node->root, CONFIG_PATH, "{ \"checks\": { \"disk-spce\": { \"warn\": \"10%\" } } }", 0644);
        wait_until(has_last_error, node, "an error in the report");
        after = health_node_report(node);
        assert_non_null(strstr(after->last_error, "disk-space"));
        assert_string_equal(after->applied, before->applied);
        assert_string_not_equal(after->desired, after->applied);
        assert_int_equal(condition_of(after, "NodeStorageReady")->status, CONDITION_TRUE);
}

static void limits_that_contradict_each_other_are_refused(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;

        root_write(node->root, CONFIG_PATH, "{ \"checks\": { \"inodes\": { \"warn\": \"2%\" } } }", 0644);
        start_plugin(node);
        wait_until(has_last_error, node, "an error in the report");
        report = health_node_report(node);
        assert_non_null(strstr(report->last_error, "/checks/inodes"));
        assert_null(report->applied);
        assert_int_equal(condition_of(report, "NodeStorageReady")->status, CONDITION_UNKNOWN);
        assert_string_equal(condition_of(report, "NodeStorageReady")->reason, "InvalidConfiguration");
}

static void a_withdrawn_configuration_ends_it(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = path_under(node->root, "/" CONFIG_PATH);

        start_plugin(node);
        wait_and_drop(node, "NodeStorageReady", CONDITION_TRUE, "AllStorageUsable");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
        report = health_node_report(node);
        assert_null(report->applied);
        assert_null(report->desired);
        assert_int_equal(report->n_conditions, 0);
        assert_false(root_has(node->root, "var/lib/capi-node-agent/node-health/applied"));
}

/* Mounts of their own, that go with the test however it ends. */
static int enter_namespace(void **state)
{
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                print_error("This test mounts file systems, so it has to be run as root.\n");
                return -1;
        }
        return 0;
}

#define NODE_TEST(test) cmocka_unit_test_setup_teardown(test, make_node, remove_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(nothing_is_healthy_before_it_was_checked),
                NODE_TEST(reports_checks_metrics_and_versions),
                NODE_TEST(without_a_bus_the_services_are_unknown_until_it_comes),
                NODE_TEST(before_kubeadm_has_run_the_kubelet_is_no_fault),
                NODE_TEST(a_failed_service_fails_the_node_and_a_restart_of_the_plugin_keeps_the_time),
                NODE_TEST(a_full_disk_fails_after_a_while_and_recovers),
                NODE_TEST(a_read_only_root_fails_and_a_read_only_mount_of_it_does_not),
                NODE_TEST(a_file_system_that_turns_read_only_is_told_and_clears),
                NODE_TEST(what_the_kernel_says_is_told_also_after_the_plugin_was_killed),
                NODE_TEST(checks_that_are_switched_off_set_no_condition),
                NODE_TEST(an_invalid_configuration_leaves_the_last_good_one_in_force),
                NODE_TEST(limits_that_contradict_each_other_are_refused),
                NODE_TEST(a_withdrawn_configuration_ends_it),
        };

        return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
