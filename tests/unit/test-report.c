/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "metric.h"
#include "quantity.h"
#include "report.h"

#define HEADER                                                                                             \
        "\"apiVersion\":\"capi-node-agent/v1\",\"plugin\":\"x\",\"generatedAt\":\"2026-11-21T10:00:00Z\"," \
        "\"validFor\":\"2m\",\"config\":{\"desired\":null}"

static void reads_back_what_it_writes(void **state)
{
        _cleanup_(report_freep) struct report *report = NULL, *read = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(report_new("etcd-backup", &report), 0);
        report->generated_usec = 1795255200123000;
        report->valid_for_usec = 2 * USEC_PER_MIN;
        report->desired = strdup("sha256:aa");
        report->last_error = strdup("why");
        report->last_error_usec = 1795255200123000;
        report->conditions = calloc(1, sizeof(*report->conditions));
        report->n_conditions = 1;
        report->conditions[0].type = strdup("EtcdBackupHealthy");
        assert_int_equal(condition_set(&report->conditions[0], CONDITION_TRUE, "Fresh", "m",
                                       1795255200123000),
                         1);
        assert_int_equal(report_add_timer(report, "capi-node-etcd-snapshot", "hourly", 10 * USEC_PER_MIN), 0);
        assert_int_equal(report_add_restart(report, "containerd.service", "sha256:bb"), 0);
        assert_int_equal(report_add_restart_since(report, "kubelet.service", "sha256:cc", 1795255200123000),
                         0);
        report->daemon_reload = strdup("sha256:dd");
        assert_int_equal(metric_add(report->metrics, METRIC_GAUGE, "capi_node_x", "X.", 1, NULL), 0);

        assert_int_equal(report_format(report, &text, &size), 0);
        assert_int_equal(report_parse(text, size, &read, NULL), 0);
        assert_string_equal(read->plugin, "etcd-backup");
        assert_int_equal(read->valid_for_usec, report->valid_for_usec);
        assert_int_equal(read->generated_usec, report->generated_usec);
        assert_string_equal(read->desired, "sha256:aa");
        assert_null(read->applied);
        assert_string_equal(read->last_error, "why");
        assert_int_equal(read->n_conditions, 1);
        assert_string_equal(read->conditions[0].reason, "Fresh");
        assert_string_equal(read->timers[0].calendar, "hourly");
        assert_int_equal(read->timers[0].randomized_delay_usec, 10 * USEC_PER_MIN);
        assert_string_equal(read->restarts[0].because, "sha256:bb");
        assert_int_equal(read->restarts[0].since_usec, 0);
        assert_string_equal(read->restarts[1].unit, "kubelet.service");
        assert_int_equal(read->restarts[1].since_usec, 1795255200123000);
        assert_string_equal(read->daemon_reload, "sha256:dd");
        assert_int_equal(json_object_array_length(read->metrics), 1);
}

static void a_report_of_another_program_needs_only_the_header(void **state)
{
        _cleanup_(report_freep) struct report *report = NULL;
        static const char text[] = "{" HEADER ",\"unknownKey\":1}";

        assert_int_equal(report_parse(text, strlen(text), &report, NULL), 0);
        assert_int_equal(report->n_conditions, 0);
}

/* The agent keeps reports: their metrics as lines, and not what only `capi-node status` shows. */
static void a_condensed_report_has_lines_for_metrics_and_no_info(void **state)
{
        _cleanup_(report_freep) struct report *report = NULL, *condensed = NULL;
        static const char text[] =
                "{" HEADER ",\"info\":{\"a\":1},\"versions\":{\"v\":\"1\"},\"metrics\":[{\"name\":"
                "\"capi_node_x\",\"type\":\"gauge\",\"help\":\"X.\",\"samples\":[{\"value\":1}]}]}";

        assert_int_equal(report_parse(text, strlen(text), &report, NULL), 0);
        assert_int_equal(json_integer(report->info, "a", 0), 1);
        assert_non_null(
                json_member(json_object_array_get_idx(report->metrics, 0), "samples", json_type_array));

        assert_int_equal(report_parse_condensed(text, strlen(text), NULL, &condensed, NULL), 0);
        assert_null(condensed->info);
        assert_string_equal(json_string(condensed->versions, "v"), "1");
        assert_string_equal(json_string(json_object_array_get_idx(condensed->metrics, 0), "lines"),
                            "capi_node_x{plugin=\"x\"} 1\n");
}

static void says_what_is_wrong_with_a_report(void **state)
{
        static const struct {
                const char *text, *complaint;
        } cases[] = {
                { "[]", "object" },
                { "{}", "apiVersion" },
                { "{\"apiVersion\":\"v2\"}", "apiVersion" },
                { "{\"apiVersion\":\"capi-node-agent/v1\",\"plugin\":\"x\",\"validFor\":\"0s\"}",
                  "validFor" },
                { "{\"apiVersion\":\"capi-node-agent/v1\",\"plugin\":\"x\",\"validFor\":\"48h\"}",
                  "validFor" },
                { "{" HEADER ",\"conditions\":[{}]}", "type" },
                { "{" HEADER ",\"requests\":{\"timers\":[{}]}}", "timer" },
                { "{" HEADER ",\"requests\":{\"restart\":[{\"unit\":\"a\"}]}}", "restart" },
                { "{" HEADER
                  ",\"requests\":{\"restart\":[{\"unit\":\"a\",\"because\":\"b\",\"since\":\"c\"}]}}",
                  "since" },
                { "{" HEADER ",\"metrics\":[{}]}", "metric" },
                { "{" HEADER ",\"checks\":[{}]}", "check" },
                { "{" HEADER, "" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_failure_ failure = {};
                struct report *report = NULL;

                assert_int_equal(report_parse(cases[i].text, strlen(cases[i].text), &report, &failure),
                                 -EINVAL);
                assert_null(report);
                assert_non_null(strstr(failure.message, cases[i].complaint));
        }
}

static void has_a_limit_on_what_a_plugin_may_ask(void **state)
{
        _cleanup_(report_freep) struct report *report = NULL;

        assert_int_equal(report_new("x", &report), 0);
        for (int i = 0; i < REPORT_TIMERS_MAX; i++)
                assert_int_equal(report_add_timer(report, "u", "hourly", 0), 0);
        assert_int_equal(report_add_timer(report, "u", "hourly", 0), -E2BIG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_back_what_it_writes),
                cmocka_unit_test(a_report_of_another_program_needs_only_the_header),
                cmocka_unit_test(a_condensed_report_has_lines_for_metrics_and_no_info),
                cmocka_unit_test(says_what_is_wrong_with_a_report),
                cmocka_unit_test(has_a_limit_on_what_a_plugin_may_ask),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
