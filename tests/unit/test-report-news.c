/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../agent/agent/report-news.h"

#define REPORT                                                                                              \
        "{\"apiVersion\":\"capi-node-agent/v1\",\"plugin\":\"x\",\"version\":\"1\",\"pid\":7,"              \
        "\"bootId\":\"b\",\"generatedAt\":\"2026-11-21T10:00:00Z\",\"validFor\":\"2m\","                    \
        "\"config\":{\"desired\":\"sha256:aa\",\"applied\":\"sha256:aa\","                                  \
        "\"appliedAt\":\"2026-11-21T10:00:00Z\",\"lastError\":null},"                                       \
        "\"conditions\":[{\"type\":\"XReady\",\"status\":\"True\",\"reason\":\"Well\",\"message\":\"1 of "  \
        "1\","                                                                                              \
        "\"lastTransitionTime\":\"2026-11-21T10:00:00Z\",\"healthy\":true,\"severity\":\"Warning\"}],"      \
        "\"requests\":{\"timers\":[{\"unit\":\"t\",\"calendar\":\"hourly\",\"randomizedDelay\":\"10m\"}],"  \
        "\"daemonReload\":\"sha256:bb\",\"restart\":[{\"unit\":\"r.service\",\"because\":\"sha256:cc\"}]}," \
        "\"checks\":[{\"name\":\"disk\",\"status\":\"OK\",\"reason\":\"Enough\",\"message\":\"7 GB\","      \
        "\"lastRun\":\"2026-11-21T10:00:00Z\",\"value\":0.5}],"                                             \
        "\"versions\":{\"kernel\":\"6.1\"},"                                                                \
        "\"metrics\":[{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\","                         \
        "\"samples\":[{\"value\":12}]}]}"

static struct report *parse(const char *text)
{
        _cleanup_failure_ failure = {};
        struct report *report;

        if (report_parse(text, strlen(text), &report, &failure) < 0)
                fail_msg("%s: %s", text, failure.message);
        return report;
}

/* Whether the report is news that says `now` where it said `before`. */
static bool is_news(const char *before, const char *now)
{
        _cleanup_(report_freep) struct report *first = parse(REPORT), *second = NULL;
        const char *at = strstr(REPORT, before);
        _cleanup_free_ char *text = NULL;

        assert_non_null(at);
        assert_true(asprintf(&text, "%.*s%s%s", (int)(at - REPORT), REPORT, now, at + strlen(before)) > 0);
        second = parse(text);
        return report_is_news(first, second);
}

static void times_numbers_and_texts_are_no_news(void **state)
{
        assert_false(is_news("\"pid\":7", "\"pid\":7"));
        assert_false(is_news("\"generatedAt\":\"2026-11-21T10:00:00Z\"",
                             "\"generatedAt\":\"2026-11-21T10:00:20Z\""));
        assert_false(is_news("1 of 1", "2 of 2"));
        assert_false(is_news("\"lastRun\":\"2026-11-21T10:00:00Z\"", "\"lastRun\":\"2026-11-21T10:00:20Z\""));
        assert_false(is_news("\"value\":0.5", "\"value\":0.4"));
        assert_false(is_news("7 GB", "6 GB"));
        assert_false(is_news("\"value\":12", "\"value\":13"));
}

static void what_a_reader_or_systemd_waits_for_is_news(void **state)
{
        static const char *const changes[][2] = {
                { "\"version\":\"1\"", "\"version\":\"2\"" },
                { "\"validFor\":\"2m\"", "\"validFor\":\"3m\"" },
                { "\"desired\":\"sha256:aa\"", "\"desired\":\"sha256:ab\"" },
                { "\"applied\":\"sha256:aa\"", "\"applied\":null" },
                { "\"lastError\":null", "\"lastError\":\"no\"" },
                { "XReady", "YReady" },
                { "\"status\":\"True\"", "\"status\":\"Unknown\"" },
                { "\"reason\":\"Well\"", "\"reason\":\"Better\"" },
                { "\"Warning\"", "\"Fatal\"" },
                { "hourly", "daily" },
                { "10m", "9m" },
                { "sha256:bb", "sha256:bc" },
                { "sha256:cc", "sha256:cd" },
                { "\"status\":\"OK\"", "\"status\":\"Warn\"" },
                { "Enough", "Little" },
                { "\"name\":\"disk\"", "\"name\":\"disc\"" },
                { "\"kernel\":\"6.1\"", "\"kernel\":\"6.12\"" },
                { "\"versions\":{\"kernel\":\"6.1\"},", "" },
        };

        for (size_t i = 0; i < ELEMENTS(changes); i++)
                if (!is_news(changes[i][0], changes[i][1]))
                        fail_msg("%s instead of %s is no news", changes[i][1], changes[i][0]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(times_numbers_and_texts_are_no_news),
                cmocka_unit_test(what_a_reader_or_systemd_waits_for_is_news),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
