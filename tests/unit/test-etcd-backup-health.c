/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "health.h"
#include "quantity.h"

#define MAX_AGE (5 * USEC_PER_HOUR)

static struct health_verdict judge(enum node_role role, uint64_t waited_usec, const char *copy,
                                   uint64_t age_usec, const struct last_run *last)
{
        const struct health_target target = { "local", copy, age_usec };
        struct health_verdict verdict;

        health_judge(
                &(struct health_input){
                        .role = role,
                        .waited_usec = waited_usec,
                        .max_age_usec = MAX_AGE,
                        .targets = &target,
                        .n_targets = 1,
                        .last = last,
                },
                &verdict);
        return verdict;
}

static const struct last_run good = { .success = true,
                                      .reason = (char *)"VerifiedCopyTaken",
                                      .message = (char *)"took it" },
                             bad = { .reason = (char *)"EtcdUnreachable",
                                     .message = (char *)"no etcd answers" };

static void assert_verdict(struct health_verdict verdict, enum condition_status status, const char *reason,
                           uint64_t recheck_usec)
{
        assert_string_equal(verdict.reason, reason);
        assert_int_equal(verdict.status, status);
        assert_true(verdict.recheck_usec == recheck_usec);
}

static void a_worker_is_well_without_backup(void **state)
{
        assert_verdict(judge(ROLE_WORKER, 10 * MAX_AGE, NULL, 0, NULL), CONDITION_TRUE, "NotAControlPlane",
                       UINT64_MAX);
}

static void waits_for_kubeadm_but_not_for_ever(void **state)
{
        assert_verdict(judge(ROLE_WAITING, 1, NULL, 0, NULL), CONDITION_UNKNOWN, "WaitingForControlPlane",
                       MAX_AGE - 1);
        assert_verdict(judge(ROLE_WAITING, MAX_AGE, NULL, 0, NULL), CONDITION_FALSE, "NoCopyWithinMaxAge",
                       UINT64_MAX);
}

static void is_unknown_before_the_first_run_and_false_when_none_comes(void **state)
{
        assert_verdict(judge(ROLE_CONTROL_PLANE, 1, NULL, 0, NULL), CONDITION_UNKNOWN, "NoBackupYet",
                       MAX_AGE - 1);
        assert_verdict(judge(ROLE_CONTROL_PLANE, MAX_AGE, NULL, 0, NULL), CONDITION_FALSE,
                       "NoCopyWithinMaxAge", UINT64_MAX);
}

static void is_true_until_the_copy_is_too_old_and_looks_again_then(void **state)
{
        assert_verdict(judge(ROLE_CONTROL_PLANE, 0, "copy", MAX_AGE - 7, &good), CONDITION_TRUE,
                       "VerifiedCopyFresh", 7);
        assert_verdict(judge(ROLE_CONTROL_PLANE, 0, "copy", MAX_AGE, &good), CONDITION_FALSE,
                       "LastCopyTooOld", UINT64_MAX);
}

static void a_failed_run_beside_a_fresh_copy_is_told_but_not_unhealthy(void **state)
{
        struct health_verdict verdict = judge(ROLE_CONTROL_PLANE, 0, "copy", 1, &bad);

        assert_verdict(verdict, CONDITION_TRUE, "VerifiedCopyFresh", MAX_AGE - 1);
        assert_non_null(strstr(verdict.message, "no etcd answers"));
}

static void a_failed_run_without_a_fresh_copy_is_the_reason(void **state)
{
        struct health_verdict verdict = judge(ROLE_CONTROL_PLANE, 0, NULL, 0, &bad);

        assert_verdict(verdict, CONDITION_FALSE, "LastRunFailed", UINT64_MAX);
        assert_non_null(strstr(verdict.message, "no etcd answers"));
        assert_verdict(judge(ROLE_CONTROL_PLANE, 0, "copy", MAX_AGE, &bad), CONDITION_FALSE, "LastRunFailed",
                       UINT64_MAX);
}

static void notices_copies_that_were_removed(void **state)
{
        assert_verdict(judge(ROLE_CONTROL_PLANE, 0, NULL, 0, &good), CONDITION_FALSE, "NoCopyAtTarget",
                       UINT64_MAX);
}

static void every_target_must_have_its_copy(void **state)
{
        const struct health_target targets[] = { { "local", "copy", 1 }, { "nfs", "old", MAX_AGE } };
        struct health_verdict verdict;

        health_judge(
                &(struct health_input){
                        .role = ROLE_CONTROL_PLANE,
                        .max_age_usec = MAX_AGE,
                        .targets = targets,
                        .n_targets = ELEMENTS(targets),
                        .last = &good,
                },
                &verdict);
        assert_verdict(verdict, CONDITION_FALSE, "LastCopyTooOld", MAX_AGE - 1);
        assert_non_null(strstr(verdict.message, "nfs"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_worker_is_well_without_backup),
                cmocka_unit_test(waits_for_kubeadm_but_not_for_ever),
                cmocka_unit_test(is_unknown_before_the_first_run_and_false_when_none_comes),
                cmocka_unit_test(is_true_until_the_copy_is_too_old_and_looks_again_then),
                cmocka_unit_test(a_failed_run_beside_a_fresh_copy_is_told_but_not_unhealthy),
                cmocka_unit_test(a_failed_run_without_a_fresh_copy_is_the_reason),
                cmocka_unit_test(notices_copies_that_were_removed),
                cmocka_unit_test(every_target_must_have_its_copy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
