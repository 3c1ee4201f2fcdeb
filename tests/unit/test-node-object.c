/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "quantity.h"
#include "timestamp.h"
#include "../../agent/agent/node-object.h"

#define NOW (UINT64_C(1795255200) * USEC_PER_SEC) /* 2026-11-21T10:00:00Z */

/* As kube-apiserver answers: ours, the kubelet's, node-problem-detector's, and one that nobody manages. */
static const char node_text[] =
        "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"cp-0\",\"uid\":\"u-1\","
        "\"annotations\":{\"capi-node-agent.io/gateway\":\"10273 "
        "sha256/x\",\"other\":\"y\"},\"managedFields\":["
        "{\"manager\":\"capi-node-agent\",\"operation\":\"Apply\",\"fieldsV1\":{"
        "\"f:metadata\":{\"f:annotations\":{\"f:capi-node-agent.io/gateway\":{}}},"
        "\"f:status\":{\"f:conditions\":{\"k:{\\\"type\\\":\\\"Ours\\\"}\":{\".\":{}}}}}},"
        "{\"manager\":\"kubelet\",\"operation\":\"Update\",\"fieldsV1\":{\"f:status\":{\"f:conditions\":{"
        "\".\":{},\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{}}}}}},"
        "{\"manager\":\"node-problem-detector\",\"operation\":\"Update\",\"fieldsV1\":{\"f:status\":{"
        "\"f:conditions\":{\"k:{\\\"type\\\":\\\"KernelDeadlock\\\"}\":{\".\":{}}}}}}]},"
        "\"status\":{\"conditions\":["
        "{\"type\":\"Ours\",\"status\":\"True\",\"reason\":\"R\",\"message\":\"m\",\"lastTransitionTime\":"
        "\"2026-11-21T08:00:00Z\"},"
        "{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"KernelDeadlock\",\"status\":\"False\"},"
        "{\"type\":\"Loose\",\"status\":\"True\"}]}}";

static struct node_object make_node(void)
{
        _cleanup_json_ json_object *object = NULL;
        struct node_object node;

        assert_int_equal(json_parse(node_text, strlen(node_text), &object, NULL), 0);
        assert_int_equal(node_object_parse(object, &node, NULL), 0);
        return node;
}

static json_object *make_conditions(const char *type, const char *status, const char *time,
                                    const char *message)
{
        json_object *array = json_object_new_array(), *condition = json_object_new_object();

        json_append(array, condition);
        json_set_string(condition, "type", type);
        json_set_string(condition, "status", status);
        json_set_string(condition, "reason", "R");
        json_set_string(condition, "message", message);
        json_set_string(condition, "lastTransitionTime", time);
        return array;
}

/* The conditions of the apply that this one condition makes. */
static json_object *apply(const char *type, const char *status, const char *time, const char *message)
{
        _cleanup_(node_object_clear) struct node_object node = make_node();
        _cleanup_json_ json_object *conditions = make_conditions(type, status, time, message), *body = NULL;
        json_object *applied;

        assert_int_equal(node_object_apply(&node, "cp-0", conditions, NULL, NOW, &body), 0);
        applied = json_member(json_member(body, "status", json_type_object), "conditions", json_type_array);
        assert_non_null(applied);
        return json_object_get(applied);
}

static void assert_transition(const char *status, const char *time, const char *expected)
{
        _cleanup_json_ json_object *applied = apply("Ours", status, time, "m");

        assert_string_equal(json_string(json_object_array_get_idx(applied, 0), "lastTransitionTime"),
                            expected);
}

static void the_managed_fields_say_whose_a_type_is(void **state)
{
        _cleanup_(node_object_clear) struct node_object node = make_node();

        assert_string_equal(node.uid, "u-1");
        assert_string_equal(node.gateway, "10273 sha256/x");
        assert_null(node_object_left_to(&node, "Ours"));
        assert_null(node_object_left_to(&node, "Loose"));
        assert_null(node_object_left_to(&node, "NotThereYet"));
        assert_string_equal(node_object_left_to(&node, "Ready"), "the kubelet");
        assert_string_equal(node_object_left_to(&node, "KernelDeadlock"), "node-problem-detector");
}

static void the_kubelets_types_are_never_ours_even_before_they_are_there(void **state)
{
        struct node_object node = {};

        assert_non_null(node_object_left_to(&node, "Ready"));
        assert_non_null(node_object_left_to(&node, "NetworkUnavailable"));
}

static void the_transition_time_is_the_nodes_while_the_status_is_the_same(void **state)
{
        assert_transition("True", "2026-11-21T09:30:00.500Z", "2026-11-21T08:00:00Z");
}

static void a_change_has_the_time_at_which_it_happened(void **state)
{
        assert_transition("False", "2026-11-21T09:30:00.500Z", "2026-11-21T09:30:00Z");
}

static void a_change_is_never_older_than_the_state_before_nor_of_the_future(void **state)
{
        assert_transition("False", "2026-11-21T07:00:00Z", "2026-11-21T10:00:00Z");
        assert_transition("False", "2026-11-21T11:00:00Z", "2026-11-21T10:00:00Z");
}

static void a_foreign_type_is_left_out(void **state)
{
        _cleanup_json_ json_object *applied = apply("KernelDeadlock", "True", "2026-11-21T09:30:00Z", "m");

        assert_int_equal(json_object_array_length(applied), 0);
}

static void what_yaml_refuses_becomes_a_question_mark(void **state)
{
        static const struct {
                const char *message, *expected;
        } cases[] = {
                { "plain /path", "plain /path" },
                { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xa7", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xa7" },
                { "a\x7f"
                  "b",
                  "a?b" },
                { "\xc2\x80\xc2\x85", "?\xc2\x85" },
                { "\xef\xbb\xbf\xef\xbf\xbf", "??" },
                { "cut \xe2\x82", "cut ??" },
                { "\xc0\x80\xed\xa0\x80\xf8", "???"
                                              "?" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_json_ json_object *applied =
                        apply("Ours", "True", "2026-11-21T09:30:00Z", cases[i].message);

                assert_string_equal(json_string(json_object_array_get_idx(applied, 0), "message"),
                                    cases[i].expected);
        }
}

static void unknown_are_just_the_own_ones(void **state)
{
        _cleanup_(node_object_clear) struct node_object node = make_node();
        _cleanup_json_ json_object *conditions = NULL;

        assert_int_equal(node_object_unknown(&node, "AgentStopped", "m", NOW, &conditions), 0);
        assert_int_equal(json_object_array_length(conditions), 1);
        assert_string_equal(json_string(json_object_array_get_idx(conditions, 0), "type"), "Ours");
        assert_string_equal(json_string(json_object_array_get_idx(conditions, 0), "status"), "Unknown");
}

static void what_is_not_a_node_is_refused(void **state)
{
        static const char *const texts[] = { "{}", "[]", "{\"kind\":\"Pod\",\"metadata\":{}}",
                                             "{\"kind\":\"Node\"}" };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                _cleanup_json_ json_object *object = NULL;
                _cleanup_failure_ failure = {};
                struct node_object node;

                assert_int_equal(json_parse(texts[i], strlen(texts[i]), &object, NULL), 0);
                assert_int_equal(node_object_parse(object, &node, &failure), -EINVAL);
                assert_string_equal(failure.reason, "NotANode");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_managed_fields_say_whose_a_type_is),
                cmocka_unit_test(the_kubelets_types_are_never_ours_even_before_they_are_there),
                cmocka_unit_test(the_transition_time_is_the_nodes_while_the_status_is_the_same),
                cmocka_unit_test(a_change_has_the_time_at_which_it_happened),
                cmocka_unit_test(a_change_is_never_older_than_the_state_before_nor_of_the_future),
                cmocka_unit_test(a_foreign_type_is_left_out),
                cmocka_unit_test(what_yaml_refuses_becomes_a_question_mark),
                cmocka_unit_test(unknown_are_just_the_own_ones),
                cmocka_unit_test(what_is_not_a_node_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
