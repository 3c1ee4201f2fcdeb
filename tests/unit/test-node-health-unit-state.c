/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "quantity.h"
#include "unit-state.h"

static const struct unit_name kubelet = { "kubelet.service", "kubelet", "Kubelet" };
static const struct unit_config config = {
        .enabled = true,
        .restarts = 5,
        .restart_window_usec = 20 * USEC_PER_MIN,
        .start_timeout_usec = 5 * USEC_PER_MIN,
};

static struct unit_facts facts_of(const char *load, const char *active, const char *sub, uint32_t restarts)
{
        struct unit_facts facts = { .n_restarts = restarts, .exit_status = 1 };

        strcpy(facts.load_state, load);
        strcpy(facts.active_state, active);
        strcpy(facts.sub_state, sub);
        strcpy(facts.result, "exit-code");
        return facts;
}

static struct check_result look(struct unit_history *history, struct unit_facts facts, uint64_t now)
{
        struct check_result result;

        unit_history_note(history, &facts, now);
        unit_judge(&kubelet, &facts, history, &config, now, &result);
        return result;
}

static void each_state_has_its_status_and_reason(void **state)
{
        static const struct {
                const char *load, *active, *sub;
                enum check_status status;
                const char *reason, *says;
        } rows[] = {
                { "loaded", "active", "running", CHECK_OK, "KubeletRunning", "is running" },
                { "loaded", "reloading", "reload", CHECK_OK, "KubeletRunning", "is running" },
                { "loaded", "active", "exited", CHECK_FAIL, "KubeletNotRunning", "process has ended" },
                { "loaded", "inactive", "dead", CHECK_FAIL, "KubeletNotRunning",
                  "systemctl start kubelet.service" },
                { "loaded", "deactivating", "stop-sigterm", CHECK_FAIL, "KubeletNotRunning", "stop-sigterm" },
                { "loaded", "failed", "failed", CHECK_FAIL, "KubeletFailed", "exit-code, status 1" },
                { "loaded", "activating", "auto-restart", CHECK_FAIL, "KubeletCrashing", "journalctl -u" },
                { "loaded", "activating", "start-pre", CHECK_UNKNOWN, "KubeletStarting", "start-pre" },
                { "loaded", "maintenance", "cleaning", CHECK_UNKNOWN, "KubeletStateUnclear",
                  "\"maintenance\"" },
                { "not-found", "inactive", "dead", CHECK_FAIL, "KubeletNotInstalled",
                  "checks.kubelet.enabled" },
                { "masked", "inactive", "dead", CHECK_FAIL, "KubeletMasked", "systemctl unmask" },
                { "bad-setting", "inactive", "dead", CHECK_FAIL, "KubeletUnitBroken", "bad-setting" },
                { "error", "inactive", "dead", CHECK_FAIL, "KubeletUnitBroken", "systemctl status" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct unit_history history = {};
                struct check_result result =
                        look(&history, facts_of(rows[i].load, rows[i].active, rows[i].sub, 0), USEC_PER_HOUR);

                assert_int_equal(result.status, rows[i].status);
                assert_string_equal(result.reason, rows[i].reason);
                assert_non_null(strstr(result.message, rows[i].says));
        }
}

static void starting_for_too_long_fails(void **state)
{
        struct unit_facts starting = facts_of("loaded", "activating", "start", 0);
        struct unit_facts running = facts_of("loaded", "active", "running", 0);
        struct unit_history history = {};
        uint64_t now = USEC_PER_HOUR;

        (void)state;
        assert_string_equal(look(&history, starting, now).reason, "KubeletStarting");
        now += 5 * USEC_PER_MIN - 1;
        assert_string_equal(look(&history, starting, now).reason, "KubeletStarting");
        now += 1;
        assert_string_equal(look(&history, starting, now).reason, "KubeletStuckStarting");
        assert_int_equal(look(&history, starting, now).status, CHECK_FAIL);
        assert_int_equal(look(&history, running, now).status, CHECK_OK);
        assert_string_equal(look(&history, starting, now + 1).reason, "KubeletStarting");
}

static void five_restarts_in_twenty_minutes_are_too_many_and_pass(void **state)
{
        struct unit_history history = {};
        uint64_t now = USEC_PER_HOUR;

        (void)state;
        for (uint32_t n = 0; n < 5; n++, now += 4 * USEC_PER_MIN)
                assert_int_equal(look(&history, facts_of("loaded", "active", "running", n), now).status,
                                 CHECK_OK);
        /* The fifth, 16 minutes after the first one counted. */
        assert_string_equal(look(&history, facts_of("loaded", "active", "running", 5), now).reason,
                            "KubeletRestartsTooOften");
        now += 4 * USEC_PER_MIN - 1;
        assert_int_equal(look(&history, facts_of("loaded", "active", "running", 5), now).status, CHECK_FAIL);
        now += 1;
        assert_int_equal(look(&history, facts_of("loaded", "active", "running", 5), now).status, CHECK_OK);
}

static void restarts_from_before_the_first_look_do_not_count(void **state)
{
        struct unit_history history = {};

        (void)state;
        assert_int_equal(look(&history, facts_of("loaded", "active", "running", 4000), USEC_PER_HOUR).status,
                         CHECK_OK);
}

static void a_start_by_hand_resets_systemds_count_but_not_the_history(void **state)
{
        struct unit_history history = {};

        (void)state;
        (void)look(&history, facts_of("loaded", "active", "running", 10), USEC_PER_HOUR);
        (void)look(&history, facts_of("loaded", "active", "running", 13), USEC_PER_HOUR + 1);
        /* systemctl start, then two automatic restarts. */
        assert_string_equal(
                look(&history, facts_of("loaded", "active", "running", 2), USEC_PER_HOUR + 2).reason,
                "KubeletRestartsTooOften");
}

static void a_burst_of_any_size_is_counted_within_bounds(void **state)
{
        struct unit_history history = {};

        (void)state;
        (void)look(&history, facts_of("loaded", "active", "running", 0), USEC_PER_HOUR);
        (void)look(&history, facts_of("loaded", "active", "running", UINT32_MAX), USEC_PER_HOUR + 1);
        assert_int_equal(unit_history_restarts(&history, USEC_PER_MIN, USEC_PER_HOUR + 1),
                         NODE_HEALTH_RESTARTS_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_state_has_its_status_and_reason),
                cmocka_unit_test(starting_for_too_long_fails),
                cmocka_unit_test(five_restarts_in_twenty_minutes_are_too_many_and_pass),
                cmocka_unit_test(restarts_from_before_the_first_look_do_not_count),
                cmocka_unit_test(a_start_by_hand_resets_systemds_count_but_not_the_history),
                cmocka_unit_test(a_burst_of_any_size_is_counted_within_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
