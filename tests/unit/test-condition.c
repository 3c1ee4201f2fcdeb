/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "condition.h"
#include "quantity.h"

#define _cleanup_condition_ _cleanup_(condition_clear) struct condition

static void the_transition_time_moves_only_with_the_status(void **state)
{
        _cleanup_condition_ condition = { .type = strdup("A") };

        assert_int_equal(condition_set(&condition, CONDITION_UNKNOWN, "NotCheckedYet", "m", 100), 1);
        assert_int_equal(condition.transition_usec, 100);
        assert_int_equal(condition_set(&condition, CONDITION_TRUE, "Good", "m", 200), 1);
        assert_int_equal(condition.transition_usec, 200);
        assert_int_equal(condition_set(&condition, CONDITION_TRUE, "Better", "m", 300), 1);
        assert_int_equal(condition_set(&condition, CONDITION_TRUE, "Better", "n", 400), 1);
        assert_int_equal(condition_set(&condition, CONDITION_TRUE, "Better", "n", 500), 0);
        assert_int_equal(condition.transition_usec, 200);
}

static void healthy_follows_the_polarity_of_the_type(void **state)
{
        struct condition ready = { .status = CONDITION_TRUE },
                         readonly = { .status = CONDITION_TRUE, .good_when_false = true };

        assert_int_equal(condition_healthy(&ready), 1);
        assert_int_equal(condition_healthy(&readonly), 0);
        ready.status = readonly.status = CONDITION_FALSE;
        assert_int_equal(condition_healthy(&ready), 0);
        assert_int_equal(condition_healthy(&readonly), 1);
        ready.status = readonly.status = CONDITION_UNKNOWN;
        assert_int_equal(condition_healthy(&ready), -1);
        assert_int_equal(condition_healthy(&readonly), -1);
}

static void long_messages_are_cut_between_characters(void **state)
{
        _cleanup_condition_ condition = {};
        char message[CONDITION_MESSAGE_MAX + 10];

        memset(message, 'x', sizeof(message) - 1);
        message[sizeof(message) - 1] = '\0';
        memcpy(message + CONDITION_MESSAGE_MAX - 1, "\xc3\xa4", 2); /* ä over the limit */
        assert_int_equal(condition_set(&condition, CONDITION_TRUE, "Good", message, 1), 1);
        assert_int_equal(strlen(condition.message), CONDITION_MESSAGE_MAX - 1);
}

static void reads_back_what_it_writes(void **state)
{
        _cleanup_condition_ condition = { .type = strdup("ReadonlyFilesystem"),
                                          .severity = SEVERITY_FATAL,
                                          .good_when_false = true },
                            read = {};
        _cleanup_json_ json_object *object = NULL;

        assert_int_equal(condition_set(&condition, CONDITION_FALSE, "Writable", "\"/\" is fine",
                                       1500 * USEC_PER_MSEC),
                         1);
        assert_int_equal(condition_write(&condition, &object), 0);
        assert_true(json_object_get_boolean(json_member(object, "healthy", json_type_boolean)));
        assert_string_equal(json_string(object, "lastTransitionTime"), "1970-01-01T00:00:01.500Z");
        assert_int_equal(condition_read(object, &read, NULL), 0);
        assert_string_equal(read.type, condition.type);
        assert_int_equal(read.status, CONDITION_FALSE);
        assert_int_equal(read.severity, SEVERITY_FATAL);
        assert_true(read.good_when_false);
        assert_int_equal(read.transition_usec, condition.transition_usec);
}

static void refuses_malformed_conditions_by_name(void **state)
{
        static const struct {
                const char *json, *complaint;
        } cases[] = {
                { "{}", "\"type\"" },
                { "{\"type\":\"not camel\"}", "\"type\"" },
                { "{\"type\":\"A\",\"reason\":\"\"}", "\"reason\"" },
                { "{\"type\":\"A\",\"reason\":\"B\",\"status\":\"true\"}", "\"status\"" },
                { "{\"type\":\"A\",\"reason\":\"B\",\"status\":\"True\",\"severity\":\"bad\"}",
                  "\"severity\"" },
                { "{\"type\":\"A\",\"reason\":\"B\",\"status\":\"True\",\"severity\":\"Fatal\"}",
                  "\"message\"" },
                { "{\"type\":\"A\",\"reason\":\"B\",\"status\":\"True\",\"severity\":\"Fatal\",\"message\":"
                  "\"m\","
                  "\"lastTransitionTime\":\"yesterday\"}",
                  "\"lastTransitionTime\"" },
                { "{\"type\":\"A\",\"reason\":\"B\",\"status\":\"True\",\"severity\":\"Fatal\",\"message\":"
                  "\"m\","
                  "\"lastTransitionTime\":\"2026-11-21T10:00:00Z\",\"healthy\":null}",
                  "\"healthy\"" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_json_ json_object *object = NULL;
                _cleanup_failure_ failure = {};
                struct condition condition = {};

                assert_int_equal(json_parse(cases[i].json, strlen(cases[i].json), &object, NULL), 0);
                assert_int_equal(condition_read(object, &condition, &failure), -EINVAL);
                assert_non_null(strstr(failure.message, cases[i].complaint));
                assert_null(condition.type);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_transition_time_moves_only_with_the_status),
                cmocka_unit_test(healthy_follows_the_polarity_of_the_type),
                cmocka_unit_test(long_messages_are_cut_between_characters),
                cmocka_unit_test(reads_back_what_it_writes),
                cmocka_unit_test(refuses_malformed_conditions_by_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
