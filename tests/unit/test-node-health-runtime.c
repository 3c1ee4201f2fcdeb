/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/node-health/runtime.c"

/* StatusResponse{status{conditions{"RuntimeReady", ready}, conditions{"NetworkReady", network, "NoCNI"}}}. */
static size_t status_message(bool ready, bool network, uint8_t buffer[static 128])
{
        uint8_t conditions[64], *to = conditions;
        size_t size;

        to = mempcpy(to, "\x0a\x10\x0a\x0cRuntimeReady\x10", 17);
        *to++ = ready;
        to = mempcpy(to, "\x0a\x17\x0a\x0cNetworkReady\x10", 17);
        *to++ = network;
        to = mempcpy(to, "\x1a\x05NoCNI", 7);
        size = (size_t)(to - conditions);
        buffer[0] = 0x0a;
        buffer[1] = (uint8_t)size;
        memcpy(buffer + 2, conditions, size);
        return size + 2;
}

static void check_status(bool ready, bool network, enum check_status status, const char *reason)
{
        struct check_result result;
        uint8_t message[128];

        assert_int_equal(judge_status(message, status_message(ready, network, message), &result), 0);
        assert_int_equal(result.status, status);
        assert_string_equal(result.reason, reason);
}

static void a_runtime_that_is_not_ready_fails_and_one_without_a_network_warns(void **state)
{
        (void)state;
        check_status(true, true, CHECK_OK, "ContainerRuntimeAnswers");
        check_status(true, false, CHECK_WARN, "ContainerNetworkNotReady");
        check_status(false, true, CHECK_FAIL, "ContainerRuntimeNotReady");
        check_status(false, false, CHECK_FAIL, "ContainerRuntimeNotReady");
}

static void only_the_word_for_serving_counts_as_serving(void **state)
{
        static const struct {
                const char *message;
                size_t size;
                bool serving;
        } rows[] = {
                { "\x08\x01", 2, true }, { "\x08\x02", 2, false }, { "", 0, false }, { "\x08\x00", 2, false }
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                bool serving = !rows[i].serving;

                assert_int_equal(read_serving((const uint8_t *)rows[i].message, rows[i].size, &serving), 0);
                assert_int_equal(serving, rows[i].serving);
        }
}

static void a_status_without_conditions_is_not_ready(void **state)
{
        struct check_result result;

        (void)state;
        assert_int_equal(judge_status((const uint8_t *)"", 0, &result), 0);
        assert_int_equal(result.status, CHECK_FAIL);
}

static void pods_of_kube_system_are_known_by_their_names(void **state)
{
        static const uint8_t pods[] = "\x0a\x22\x0a\x02id\x12\x1c\x0a\x0b"
                                      "etcd-cp-one\x1a\x0bkube-system"
                                      "\x20\x00"
                                      "\x0a\x1b\x12\x19\x0a\x0ckube-proxy-x\x1a\x07"
                                      "default\x20\x00";
        struct runtime runtime = { .pods = ~0U };

        (void)state;
        assert_int_equal(read_pods(pods, sizeof(pods) - 1, &runtime), 0);
        assert_true(runtime_has_pod(&runtime, "etcd-"));
        assert_false(runtime_has_pod(&runtime, "kube-proxy-")); /* of somebody's own namespace */
        assert_false(runtime_has_pod(&runtime, "kube-scheduler-"));
        assert_false(runtime_has_pod(&runtime, "other-"));
}

static void the_version_is_the_third_field(void **state)
{
        static const uint8_t version[] = "\x0a\x05"
                                         "0.1.0\x12\x0a"
                                         "containerd\x1a\x06"
                                         "1.6.20\x22\x02v1";
        struct runtime runtime = {};

        (void)state;
        assert_int_equal(read_version(version, sizeof(version) - 1, &runtime), 0);
        assert_string_equal(runtime.version, "1.6.20");
}

static void what_is_cut_is_refused(void **state)
{
        struct check_result result;
        uint8_t message[128];
        size_t size = status_message(true, true, message);

        (void)state;
        assert_int_equal(judge_status(message, size - 1, &result), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_runtime_that_is_not_ready_fails_and_one_without_a_network_warns),
                cmocka_unit_test(only_the_word_for_serving_counts_as_serving),
                cmocka_unit_test(a_status_without_conditions_is_not_ready),
                cmocka_unit_test(pods_of_kube_system_are_known_by_their_names),
                cmocka_unit_test(the_version_is_the_third_field),
                cmocka_unit_test(what_is_cut_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
