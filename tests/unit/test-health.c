/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "metric.h"
#include "quantity.h"
#include "timestamp.h"
#include "../../agent/agent/health.h"

#define BOOT (1000 * USEC_PER_SEC)                 /* CLOCK_BOOTTIME at the start of each test */
#define REAL (UINT64_C(1795255200) * USEC_PER_SEC) /* 2026-11-21T10:00:00Z */

struct world {
        struct capabilities capabilities;
        struct unit unit;
        json_object *document;
        uint64_t boottime_usec, realtime_usec;
};

static int make_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        world->boottime_usec = BOOT;
        world->realtime_usec = REAL;
        world->unit = (struct unit){ .name = strdup("capi-node-x.service"), .activity = UNIT_ACTIVE };
        *state = world;
        return 0;
}

static int free_world(void **state)
{
        struct world *world = *state;

        capabilities_clear(&world->capabilities);
        json_object_put(world->document);
        free(world->unit.name);
        free(world->unit.status_text);
        free(world->unit.error);
        free(world);
        return 0;
}

static struct capability *add_capability(struct world *world, const char *name)
{
        struct capability *capability = capabilities_get(&world->capabilities, name);

        assert_non_null(capability);
        capability->configured = true;
        capability->unit = &world->unit;
        capability->since_usec = world->boottime_usec;
        return capability;
}

/* A fresh report with one condition. */
static void set_report(struct world *world, const char *name, enum condition_status status,
                       enum severity severity)
{
        struct capability *capability = capabilities_find(&world->capabilities, name);
        struct report *report;

        assert_int_equal(report_new(name, &report), 0);
        report->valid_for_usec = 2 * USEC_PER_MIN;
        report->generated_usec = world->realtime_usec;
        report->desired = strdup("sha256:aa");
        report->applied = strdup("sha256:aa");
        report->conditions = calloc(1, sizeof(*report->conditions));
        report->n_conditions = 1;
        assert_true(asprintf(&report->conditions[0].type, "%cReady", name[0] - 'a' + 'A') > 0);
        report->conditions[0].severity = severity;
        assert_int_equal(condition_set(&report->conditions[0], status, "Because", "m", world->realtime_usec),
                         1);
        report_free(capability->report);
        capability->report = report;
        capability->seen_usec = world->boottime_usec;
}

static json_object *make(struct world *world)
{
        struct health_input input = {
                .capabilities = &world->capabilities,
                .previous = world->document,
                .hostname = "h",
                .phase = "Joined",
                .boottime_usec = world->boottime_usec,
                .realtime_usec = world->realtime_usec,
        };
        json_object *document;

        assert_int_equal(health_make(&input, &document), 0);
        json_object_put(world->document);
        world->document = document;
        return document;
}

static void pass(struct world *world, uint64_t usec)
{
        world->boottime_usec += usec;
        world->realtime_usec += usec;
}

static json_object *condition_of(json_object *document, const char *type)
{
        json_object *conditions = json_member(document, "conditions", json_type_array);

        for (size_t i = 0; i < json_object_array_length(conditions); i++)
                if (strcmp(json_string(json_object_array_get_idx(conditions, i), "type"), type) == 0)
                        return json_object_array_get_idx(conditions, i);
        fail_msg("no condition %s", type);
        return NULL;
}

static void assert_condition(struct world *world, const char *type, const char *status, const char *reason)
{
        json_object *condition = condition_of(world->document, type);

        assert_string_equal(json_string(condition, "status"), status);
        assert_string_equal(json_string(condition, "reason"), reason);
}

static void a_node_without_configuration_is_healthy_and_says_so(void **state)
{
        struct world *world = *state;

        make(world);
        assert_string_equal(json_string(world->document, "status"), "Healthy");
        assert_condition(world, "CapabilitiesReady", "True", "NothingConfigured");
        assert_null(json_string(world->document, "node"));
}

static void the_worst_condition_decides_the_status(void **state)
{
        static const struct {
                enum condition_status status;
                enum severity severity;
                const char *expected;
        } cases[] = {
                { CONDITION_TRUE, SEVERITY_FATAL, "Healthy" },
                { CONDITION_FALSE, SEVERITY_FATAL, "Unhealthy" },
                { CONDITION_UNKNOWN, SEVERITY_FATAL, "Unknown" },
                { CONDITION_TRUE, SEVERITY_WARNING, "Healthy" },
                { CONDITION_FALSE, SEVERITY_WARNING, "Degraded" },
                { CONDITION_UNKNOWN, SEVERITY_WARNING, "Degraded" },
        };
        struct world *world = *state;

        add_capability(world, "x");
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                set_report(world, "x", cases[i].status, cases[i].severity);
                assert_string_equal(json_string(make(world), "status"), cases[i].expected);
        }
}

static void a_plugin_without_a_report_is_pending_and_then_silent(void **state)
{
        struct world *world = *state;

        add_capability(world, "x");
        make(world);
        assert_condition(world, "CapabilitiesReady", "Unknown", "CapabilityPending");
        pass(world, FIRST_REPORT_USEC + 1);
        make(world);
        assert_condition(world, "CapabilitiesReady", "Unknown", "PluginSilent");
        assert_string_equal(json_string(world->document, "status"), "Degraded");
}

static void the_next_silence_is_known_beforehand(void **state)
{
        struct world *world = *state;

        assert_int_equal(capabilities_expiry(&world->capabilities, BOOT), UINT64_MAX);
        add_capability(world, "x");
        assert_int_equal(capabilities_expiry(&world->capabilities, BOOT), BOOT + FIRST_REPORT_USEC);
        assert_int_equal(capabilities_expiry(&world->capabilities, BOOT + FIRST_REPORT_USEC + 1), UINT64_MAX);
        set_report(world, "x", CONDITION_TRUE, SEVERITY_WARNING);
        assert_int_equal(capabilities_expiry(&world->capabilities, BOOT), BOOT + 2 * USEC_PER_MIN);
        add_capability(world, "y");
        assert_int_equal(capabilities_expiry(&world->capabilities, BOOT), BOOT + FIRST_REPORT_USEC);
}

static void a_late_plugin_makes_its_conditions_unknown(void **state)
{
        struct world *world = *state;

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        make(world);
        assert_condition(world, "XReady", "True", "Because");
        pass(world, 2 * USEC_PER_MIN + 1);
        make(world);
        assert_condition(world, "XReady", "Unknown", "PluginLate");
        assert_condition(world, "CapabilitiesReady", "Unknown", "PluginLate");
        assert_string_equal(json_string(world->document, "status"), "Unknown");
        world->unit.activity = UNIT_RESTARTING;
        make(world);
        assert_condition(world, "XReady", "Unknown", "PluginDead");
}

static void a_clock_set_back_does_not_keep_a_dead_plugin_healthy(void **state)
{
        struct world *world = *state;

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        make(world);
        pass(world, 2 * USEC_PER_MIN + 1);
        world->realtime_usec -= USEC_PER_DAY;
        make(world);
        assert_condition(world, "XReady", "Unknown", "PluginLate");
}

static void a_clock_set_forward_does_not_make_a_live_plugin_late(void **state)
{
        struct world *world = *state;

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        world->realtime_usec += USEC_PER_DAY;
        make(world);
        assert_condition(world, "XReady", "True", "Because");
}

static void transition_times_follow_the_published_status(void **state)
{
        struct world *world = *state;
        char first[TIMESTAMP_SIZE], back[TIMESTAMP_SIZE];

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        timestamp_format(world->realtime_usec, first);
        make(world);

        /* The plugin was restarted and has lost its own time; what is published does not move. */
        pass(world, USEC_PER_MIN);
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        assert_string_equal(json_string(condition_of(make(world), "XReady"), "lastTransitionTime"), first);

        pass(world, 3 * USEC_PER_MIN);
        make(world); /* late: Unknown */
        pass(world, USEC_PER_MIN);
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        timestamp_format(world->realtime_usec, back);
        assert_string_equal(json_string(condition_of(make(world), "XReady"), "lastTransitionTime"), back);
}

static void the_sequence_moves_only_with_what_a_reader_cares_for(void **state)
{
        struct world *world = *state;
        int64_t sequence;

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        sequence = json_integer(make(world), "sequence", -1);
        assert_int_equal(sequence, 1);

        pass(world, USEC_PER_MIN);
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        assert_int_equal(metric_add(world->capabilities.items[0].report->metrics, METRIC_GAUGE, "capi_node_x",
                                    "X.", 1, NULL),
                         0);
        assert_int_equal(json_integer(make(world), "sequence", -1), sequence);

        set_report(world, "x", CONDITION_FALSE, SEVERITY_FATAL);
        assert_int_equal(json_integer(make(world), "sequence", -1), sequence + 1);
        assert_int_equal(json_integer(make(world), "sequence", -1), sequence + 1);
}

static void a_refused_configuration_fails_the_capability_but_not_its_conditions(void **state)
{
        struct world *world = *state;
        json_object *capability;

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        world->capabilities.items[0].report->last_error = strdup("/x.json: /y: unknown key");
        make(world);
        assert_condition(world, "XReady", "True", "Because");
        assert_condition(world, "CapabilitiesReady", "False", "CapabilityFailed");
        capability =
                json_object_array_get_idx(json_member(world->document, "capabilities", json_type_array), 0);
        assert_string_equal(json_string(capability, "state"), "Failed");
        assert_string_equal(json_string(capability, "lastError"), "/x.json: /y: unknown key");
}

static void a_configuration_for_nothing_names_the_nearest_capability(void **state)
{
        struct world *world = *state;

        add_capability(world, "etcd-bakcup");
        world->unit.activity = UNIT_MISSING;
        make(world);
        assert_condition(world, "CapabilitiesReady", "False", "CapabilityFailed");
        assert_non_null(strstr(json_string(condition_of(world->document, "CapabilitiesReady"), "message"),
                               "did you mean \"etcd-backup.json\"?"));
}

static void a_disabled_plugin_claims_nothing_and_never_grows_old(void **state)
{
        struct world *world = *state;
        struct capability *capability = add_capability(world, "x");

        assert_int_equal(report_new("x", &capability->report), 0);
        capability->report->valid_for_usec = 2 * USEC_PER_MIN;
        capability->configured = false;
        capability->seen_usec = world->boottime_usec;
        pass(world, USEC_PER_DAY);
        make(world);
        assert_string_equal(json_string(world->document, "status"), "Healthy");
        assert_string_equal(json_string(json_object_array_get_idx(json_member(world->document, "capabilities",
                                                                              json_type_array),
                                                                  0),
                                        "state"),
                            "Disabled");
}

static void the_first_of_two_plugins_has_a_type(void **state)
{
        struct world *world = *state;

        add_capability(world, "xa");
        add_capability(world, "xb");
        set_report(world, "xa", CONDITION_TRUE, SEVERITY_FATAL);
        set_report(world, "xb", CONDITION_FALSE, SEVERITY_FATAL);
        make(world);
        assert_string_equal(json_string(condition_of(world->document, "XReady"), "plugin"), "xa");
        assert_int_equal(json_object_array_length(
                                 json_member(world->document, "conditions", json_type_array)),
                         2);
}

static void metrics_of_a_late_plugin_are_left_out(void **state)
{
        struct world *world = *state;
        struct health_input input = { .capabilities = &world->capabilities };
        char *text;
        size_t size;

        add_capability(world, "x");
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        assert_int_equal(metric_add(world->capabilities.items[0].report->metrics, METRIC_GAUGE, "capi_node_x",
                                    "X.", 1, NULL),
                         0);
        for (int late = 0; late < 2; late++) {
                input.boottime_usec = world->boottime_usec;
                assert_int_equal(health_metrics(&input, make(world), &text, &size), 0);
                assert_int_equal(strstr(text, "capi_node_x{plugin=\"x\"} 1\n") == NULL, late);
                assert_non_null(
                        strstr(text, late ? "capi_node_condition{type=\"XReady\",status=\"Unknown\"} 1\n"
                                          : "capi_node_condition{type=\"XReady\",status=\"True\"} 1\n"));
                free(text);
                pass(world, 3 * USEC_PER_MIN);
        }
}

/* xorshift64*: the same numbers in every run. */
static uint64_t random_next(uint64_t *state)
{
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(2685821657736338717);
}

/* A plugin that renews its report, dies, comes back, while the clock that people set is set: 5,000 hours. */
static void silence_is_told_in_time_and_only_silence_through_thousands_of_hours(void **state)
{
        struct world *world = *state;
        struct capability *capability = add_capability(world, "x");
        uint64_t random = 20261121, renewed_usec, dead_until_usec = 0, distrusted = 0;
        const uint64_t end_usec = world->boottime_usec + 5000 * USEC_PER_HOUR;

        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        renewed_usec = world->boottime_usec;
        while (world->boottime_usec < end_usec) {
                const char *distrust;

                pass(world, 1 + random_next(&random) % (30 * USEC_PER_SEC));
                if (random_next(&random) % 1000 == 0)
                        world->realtime_usec = random_next(&random) % (2 * REAL);
                if (random_next(&random) % 500 == 0)
                        dead_until_usec = world->boottime_usec + random_next(&random) % USEC_PER_HOUR;
                if (world->boottime_usec >= dead_until_usec) {
                        capability->report->generated_usec = world->realtime_usec;
                        capability->seen_usec = renewed_usec = world->boottime_usec;
                }
                distrust = capability_distrust(capability, world->boottime_usec);
                assert_int_equal(distrust != NULL, world->boottime_usec - renewed_usec > 2 * USEC_PER_MIN);
                distrusted += distrust != NULL;
                if (random_next(&random) % 1000 == 0)
                        assert_string_equal(json_string(condition_of(make(world), "XReady"), "status"),
                                            distrust ? "Unknown" : "True");
        }
        assert_true(distrusted > 10000);
}

static void the_page_tells_how_the_agent_itself_is(void **state)
{
        struct world *world = *state;
        struct health_input input = {
                .capabilities = &world->capabilities,
                .boottime_usec = world->boottime_usec,
                .started_usec = REAL,
                .busy_usec = 250 * USEC_PER_MSEC,
        };
        _cleanup_free_ char *text = NULL;
        size_t size;

        add_capability(world, "x")->restarts = 2;
        set_report(world, "x", CONDITION_TRUE, SEVERITY_FATAL);
        assert_int_equal(health_metrics(&input, make(world), &text, &size), 0);
        assert_non_null(strstr(text, "capi_node_agent_start_time_seconds 1795255200\n"));
        assert_non_null(strstr(text, "capi_node_agent_loop_seconds 0.25\n"));
        assert_non_null(strstr(text, "capi_node_plugin_restarts_total{capability=\"x\"} 2\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_node_without_configuration_is_healthy_and_says_so,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(the_worst_condition_decides_the_status, make_world,
                                                free_world),
                cmocka_unit_test_setup_teardown(a_plugin_without_a_report_is_pending_and_then_silent,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(the_next_silence_is_known_beforehand, make_world, free_world),
                cmocka_unit_test_setup_teardown(a_late_plugin_makes_its_conditions_unknown, make_world,
                                                free_world),
                cmocka_unit_test_setup_teardown(a_clock_set_back_does_not_keep_a_dead_plugin_healthy,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(a_clock_set_forward_does_not_make_a_live_plugin_late,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(transition_times_follow_the_published_status, make_world,
                                                free_world),
                cmocka_unit_test_setup_teardown(the_sequence_moves_only_with_what_a_reader_cares_for,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(
                        a_refused_configuration_fails_the_capability_but_not_its_conditions, make_world,
                        free_world),
                cmocka_unit_test_setup_teardown(a_configuration_for_nothing_names_the_nearest_capability,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(a_disabled_plugin_claims_nothing_and_never_grows_old,
                                                make_world, free_world),
                cmocka_unit_test_setup_teardown(the_first_of_two_plugins_has_a_type, make_world, free_world),
                cmocka_unit_test_setup_teardown(
                        silence_is_told_in_time_and_only_silence_through_thousands_of_hours, make_world,
                        free_world),
                cmocka_unit_test_setup_teardown(the_page_tells_how_the_agent_itself_is, make_world,
                                                free_world),
                cmocka_unit_test_setup_teardown(metrics_of_a_late_plugin_are_left_out, make_world,
                                                free_world),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
