/* SPDX-License-Identifier: Apache-2.0 */

/* The resident part of etcd-backup: what it reports as the node, the copies and the runs change. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "drill-result.h"
#include "last-run.h"
#include "program.h"
#include "drill-result.h"
#include "report.h"

static size_t requested_timers(void)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = under(REPORT);

        assert_int_equal(report_load(path, &report, NULL), 0);
        assert_true(report->n_timers == 0 || strcmp(report->timers[0].unit, "capi-node-etcd-snapshot") == 0);
        assert_true(report->n_timers == 0 || strcmp(report->timers[1].unit, "capi-node-etcd-drill") == 0);
        return report->n_timers;
}

static void follows_the_node_from_boot_to_backup_and_beyond(void **state)
{
        _cleanup_free_ char *manifest = under("etc/kubernetes/manifests/etcd.yaml"), *config = under(CONFIG),
                            *report = under(REPORT), *archives = NULL;
        _cleanup_copies_ copies = {};
        pid_t resident;

        assert_int_equal(unlink(manifest), 0);
        (void)unlink(report);
        resident = start_daemon();
        wait_for_condition(CONDITION_UNKNOWN, "WaitingForControlPlane");
        assert_int_equal(requested_timers(), 0);
        root_write(root, "etc/kubernetes/manifests/etcd.yaml", "kind: Pod\n", 0600);
        wait_for_condition(CONDITION_UNKNOWN, "NoBackupYet");
        assert_int_equal(requested_timers(), 2);
        assert_int_equal(take_snapshot(), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

        assert_true(asprintf(&archives, "rm %s/" SNAPSHOTS "/*.tar.zst", root) > 0);
        assert_int_equal(system(archives), 0);
        wait_for_condition(CONDITION_FALSE, "NoCopyAtTarget");
        configure_port(free_port());
        assert_int_equal(take_snapshot(), 1);
        wait_for_condition(CONDITION_FALSE, "LastRunFailed");
        configure_endpoint(member.endpoint);
        assert_int_equal(take_snapshot(), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

        assert_int_equal(program_stop(resident, SIGKILL), -SIGKILL);
        resident = start_daemon();
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        assert_int_equal(unlink(config), 0);
        assert_int_equal(program_wait(resident), 0);
        assert_false(root_has(root, STATE "/" LAST_RUN_FILE));
        copies = load_copies(); /* backups outlive the wish for more of them */
        assert_true(copies.count > 0);
}

/* Of the report's metrics, whether a jq filter holds; `value(NAME; LABELS)` is one. */
static bool metrics_say(const char *filter)
{
        return shell(
                "jq -e 'def value($name; $labels): .metrics[] | select(.name == \"capi_node_etcd_backup_\" + "
                "$name).samples[] | select(.labels | contains($labels)).value; %s' " REPORT " >/dev/null",
                filter);
}

static void metrics_tell_what_a_drill_came_to(void **state)
{
        struct drill_result drill = { .outcome = DRILL_PROVEN,
                                      .reason = (char *)"Proven",
                                      .message = (char *)"proven",
                                      .revision = 77,
                                      .recovery_usec = 12500000 };
        _cleanup_free_ char *report = under(REPORT), *state_dir = under(STATE);
        pid_t resident;

        (void)unlink(report);
        assert_int_equal(take_snapshot(), 0);
        moment_now(&drill.finished);
        assert_int_equal(drill_result_save(state_dir, &drill), 0);
        resident = start_daemon();
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        assert_true(
                metrics_say("value(\"drill_success\"; {}) == 1 and value(\"drill_revision\"; {}) == 77 and "
                            "value(\"drill_recovery_seconds\"; {}) == 12.5 and "
                            "now - value(\"drill_timestamp_seconds\"; {}) < 600"));
        assert_int_equal(program_stop(resident, SIGTERM), 0);
}

static void metrics_tell_what_runs_and_copies_come_to(void **state)
{
        _cleanup_free_ char *report = under(REPORT);
        pid_t resident;

        (void)unlink(report);
        configure_port(free_port());
        assert_int_equal(take_snapshot(), 1);
        configure_endpoint(member.endpoint);
        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(take_snapshot(), 0);
        resident = start_daemon();
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        assert_true(
                metrics_say("value(\"copies\"; {target: \"local\"}) == 2 and value(\"runs_total\"; {}) == 3 "
                            "and value(\"failures_total\"; {}) == 1 and value(\"failures_by_reason_total\"; "
                            "{reason: \"EtcdUnreachable\"}) == 1"));
        assert_true(metrics_say("value(\"verified_revision\"; {target: \"local\"}) >= 26 and "
                                "value(\"age_seconds\"; {}) < 600 and "
                                "now - value(\"last_success_timestamp_seconds\"; {}) < 600"));
        assert_true(metrics_say("value(\"size_bytes\"; {kind: \"raw\"}) > value(\"size_bytes\"; "
                                "{kind: \"stored\"}) and value(\"retention_held\"; {}) == 0"));
        assert_true(metrics_say("value(\"stage_duration_seconds\"; "
                                "{stage: \"stream\"}) > 0 and value(\"duration_seconds\"; {}) > 0"));
        assert_int_equal(program_stop(resident, SIGTERM), 0);
}

static void a_copy_of_long_ago_is_too_old_though_nothing_failed(void **state)
{
        _cleanup_free_ char *report = under(REPORT), *command = NULL;
        pid_t resident;

        (void)unlink(report);
        resident = start_daemon();
        assert_int_equal(take_snapshot(), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        assert_true(asprintf(&command,
                             "sed -i -e 's/\"finishedAt\":\"[^\"]*/\"finishedAt\":\"2020-01-01T00:00:00Z/' "
                             "-e 's/\"finishedBootId\":\"[^\"]*/\"finishedBootId\":\"another/' "
                             "%s/" SNAPSHOTS "/*" MANIFEST_SUFFIX,
                             root) > 0);
        assert_int_equal(system(command), 0);
        wait_for_condition(CONDITION_FALSE, "LastCopyTooOld");
        assert_int_equal(program_stop(resident, SIGTERM), 0);
}

static void a_joined_worker_is_not_unhealthy(void **state)
{
        _cleanup_free_ char *manifest = under("etc/kubernetes/manifests/etcd.yaml"),
                            *kubelet = under("etc/kubernetes/kubelet.conf"), *report = under(REPORT);
        pid_t resident;

        assert_int_equal(unlink(manifest), 0);
        root_write(root, "etc/kubernetes/kubelet.conf", "", 0600);
        (void)unlink(report);
        resident = start_daemon();
        wait_for_condition(CONDITION_TRUE, "NotAControlPlane");
        assert_int_equal(requested_timers(), 0);
        assert_int_equal(program_stop(resident, SIGTERM), 0);
        unlink(kubelet);
        root_write(root, "etc/kubernetes/manifests/etcd.yaml", "kind: Pod\n", 0600);
}

static void tells_what_the_last_drill_came_to(void **state)
{
        _cleanup_free_ char *state_dir = under(STATE), *report = under(REPORT);
        struct drill_result result = { .outcome = DRILL_PROVEN,
                                       .reason = (char *)"RestoredCopyMatches",
                                       .message = (char *)"restored" };
        pid_t resident;

        (void)unlink(report);
        resident = start_daemon();
        wait_for_condition(CONDITION_UNKNOWN, "NoBackupYet");
        moment_now(&result.finished);
        assert_int_equal(drill_result_save(state_dir, &result), 0);
        wait_for_condition(CONDITION_TRUE, "RestoredCopyMatches");
        result.outcome = DRILL_FAILED;
        result.reason = (char *)"RestoredDataDiffers";
        assert_int_equal(drill_result_save(state_dir, &result), 0);
        wait_for_condition(CONDITION_FALSE, "RestoredDataDiffers");
        assert_int_equal(program_stop(resident, SIGTERM), 0);
}

#define BACKUP_TEST(f) cmocka_unit_test_setup(f, backup_node_reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
                BACKUP_TEST(follows_the_node_from_boot_to_backup_and_beyond),
                BACKUP_TEST(metrics_tell_what_a_drill_came_to),
                BACKUP_TEST(metrics_tell_what_runs_and_copies_come_to),
                BACKUP_TEST(a_copy_of_long_ago_is_too_old_though_nothing_failed),
                BACKUP_TEST(tells_what_the_last_drill_came_to),
                BACKUP_TEST(a_joined_worker_is_not_unhealthy),
        };

        return cmocka_run_group_tests(tests, backup_node_set_up, backup_node_tear_down);
}
