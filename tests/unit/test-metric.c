/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "json-scan.h"
#include "metric-text.h"
#include "metric.h"

static char *render(json_object *const *arrays, const char *const *plugins, size_t count)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        assert_int_equal(metric_render(stream, arrays, plugins, count), 0);
        fclose(stream);
        return text;
}

static void writes_each_family_once_in_order_of_name(void **state)
{
        _cleanup_json_ json_object *a = json_object_new_array(), *b = json_object_new_array();
        json_object *const arrays[] = { a, b };
        static const char *const plugins[] = { "one", NULL };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(metric_add(a, METRIC_GAUGE, "capi_node_z", "Last.", 1, NULL), 0);
        assert_int_equal(metric_add(a, METRIC_COUNTER, "capi_node_a_total", "First.", 2, "path", "/", NULL),
                         0);
        assert_int_equal(metric_add(b, METRIC_COUNTER, "capi_node_a_total", "First.", 0.1, NULL), 0);
        assert_int_equal(metric_add(a, METRIC_COUNTER, "capi_node_a_total", "First.", 3, "path", "/var",
                                    NULL),
                         0);
        text = render(arrays, plugins, 2);
        assert_string_equal(text, "# HELP capi_node_a_total First.\n"
                                  "# TYPE capi_node_a_total counter\n"
                                  "capi_node_a_total{path=\"/\",plugin=\"one\"} 2\n"
                                  "capi_node_a_total{path=\"/var\",plugin=\"one\"} 3\n"
                                  "capi_node_a_total 0.1\n"
                                  "# HELP capi_node_z Last.\n"
                                  "# TYPE capi_node_z gauge\n"
                                  "capi_node_z{plugin=\"one\"} 1\n");
}

static int condense(const char *text, json_object **ret, struct failure *failure)
{
        assert_int_equal(json_scan(text, strlen(text), NULL), 0);
        return metric_condense(json_text_begin(text), "one", NULL, ret, failure);
}

static void a_condensed_page_is_the_same(void **state)
{
        _cleanup_json_ json_object *a = json_object_new_array(), *b = json_object_new_array(),
                                   *condensed = NULL;
        json_object *arrays[] = { a, b };
        static const char *const plugins[] = { "one", "two" };
        static const double values[] = {
                0,    0.1,     -1,      42,        1e15 - 1,          1e15,
                1e18, -0.0005, 1e-300,  16.608,    1795255200.25,     123456789012345678.0,
                1e22, 4096,    3.5e+17, 0.1 + 0.2, 9007199254740993.0
        };
        _cleanup_free_ char *before = NULL, *after = NULL;

        for (size_t i = 0; i < ELEMENTS(values); i++)
                assert_int_equal(metric_add(a, METRIC_GAUGE, "capi_node_x", "X \"y\".", values[i], "path",
                                            "/\\\"\n\tä", "of", "", NULL),
                                 0);
        assert_int_equal(metric_add(a, METRIC_COUNTER, "capi_node_a_total", "A\nB.", 7, NULL), 0);
        assert_int_equal(metric_add(a, METRIC_GAUGE, "capi_node_x", "X.", 2, "plugin", "another", NULL), 0);
        assert_int_equal(metric_add(b, METRIC_GAUGE, "capi_node_x", "X.", 3, NULL), 0);
        before = render(arrays, plugins, 2);
        assert_int_equal(condense(json_object_to_json_string(a), &condensed, NULL), 0);
        arrays[0] = condensed;
        after = render(arrays, plugins, 2);
        assert_string_equal(after, before);
}

static void a_report_may_be_written_in_any_way(void **state)
{
        static const char text[] =
                " [ {\"samples\" :[ {\"value\":1e2,\"labels\":null,\"x\":[{\"value\":\"]\"}]} ,"
                "{\"labels\" : {\"\\u0061\":\"\\u00e4\\/\"}, \"value\"\n:18446744073709551615}],"
                "\"other\":{},\"help\":\"H.\",\"n\\u0061me\":\"capi_node_x\",\"type\":\"gauge\"},"
                "{\"name\":\"capi_node_y\",\"type\":\"gauge\",\"help\":\"\",\"samples\":[]}]";
        _cleanup_json_ json_object *families = NULL, *none = NULL;
        _cleanup_free_ char *page = NULL;

        assert_int_equal(condense(text, &families, NULL), 0);
        page = render(&families, NULL, 1);
        assert_string_equal(page, "# HELP capi_node_x H.\n# TYPE capi_node_x gauge\n"
                                  "capi_node_x{plugin=\"one\"} 100\n"
                                  "capi_node_x{a=\"ä/\",plugin=\"one\"} 1.8446744073709552e+19\n"
                                  "# HELP capi_node_y \n# TYPE capi_node_y gauge\n");
        assert_int_equal(condense("{}", &none, NULL), 0);
        assert_int_equal(json_object_array_length(none), 0);
}

static void families_that_did_not_change_are_taken_from_before(void **state)
{
#define FAMILY(name, value)                                                               \
        "{\"name\":\"capi_node_" name "\",\"type\":\"gauge\",\"help\":\"\",\"samples\":[" \
        "{\"value\":" value "}]}"
        _cleanup_json_ json_object *before = NULL, *after = NULL;
        static const char text[] = "[" FAMILY("x", "1") "," FAMILY("y", "3") "," FAMILY("z", "3") "]";
        _cleanup_free_ char *page = NULL;

        assert_int_equal(condense("[" FAMILY("x", "1") "," FAMILY("y", "2") "]", &before, NULL), 0);
        assert_int_equal(metric_condense(text, "one", before, &after, NULL), 0);
        assert_ptr_equal(json_object_array_get_idx(after, 0), json_object_array_get_idx(before, 0));
        page = render(&after, NULL, 1);
        assert_non_null(strstr(page, "\ncapi_node_x{plugin=\"one\"} 1\n"));
        assert_non_null(strstr(page, "\ncapi_node_y{plugin=\"one\"} 3\n"));
        assert_non_null(strstr(page, "\ncapi_node_z{plugin=\"one\"} 3\n"));
#undef FAMILY
}

/* As a report has it and the agent reads it. */
static void samples_of_a_report_are_the_same_as_text(void **state)
{
        _cleanup_json_ json_object *a = json_object_new_array(), *text = metric_text_array(), *read = NULL;
        static const double values[] = { 0,     1,      -3, 0.1, 1e15, 1e16, 1e17, 1.2345678901234568e17,
                                         1e300, -1e-300 };
        _cleanup_free_ char *expected = NULL, *found = NULL;
        const char *line;

        for (size_t i = 0; i < ELEMENTS(values); i++) {
                json_object *const both[] = { a, text };

                for (size_t k = 0; k < ELEMENTS(both); k++) {
                        assert_int_equal(metric_add(both[k], METRIC_GAUGE, "capi_node_x", "X.", values[i],
                                                    "path", "/a \"b\"\\\n\t\x1f\x7f\u00e4", "kind", "", NULL),
                                         0);
                        assert_int_equal(metric_add(both[k], METRIC_COUNTER, "capi_node_y_total", "Y.",
                                                    values[i], NULL),
                                         0);
                }
        }
        line = json_object_to_json_string_ext(text, JSON_C_TO_STRING_PRETTY);
        assert_int_equal(json_parse(line, strlen(line), &read, NULL), 0);
        assert_true(json_object_equal(a, read));
        expected = render(&a, NULL, 1);
        found = render(&read, NULL, 1);
        assert_string_equal(found, expected);
}

static void escapes_labels_and_help(void **state)
{
        _cleanup_json_ json_object *a = json_object_new_array();
        json_object *const arrays[] = { a };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(metric_add(a, METRIC_GAUGE, "capi_node_x", "Back\\slash\nand \"quote\".", 1e18, "l",
                                    "a\\b\"c\nd", NULL),
                         0);
        text = render(arrays, NULL, 1);
        assert_string_equal(text, "# HELP capi_node_x Back\\\\slash\\nand \"quote\".\n"
                                  "# TYPE capi_node_x gauge\n"
                                  "capi_node_x{l=\"a\\\\b\\\"c\\nd\"} 1e+18\n");
}

static void the_first_type_of_a_name_wins(void **state)
{
        _cleanup_json_ json_object *a = json_object_new_array(), *b = json_object_new_array();
        json_object *const arrays[] = { a, b };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(metric_add(a, METRIC_GAUGE, "capi_node_x", "X.", 1, NULL), 0);
        assert_int_equal(metric_add(b, METRIC_COUNTER, "capi_node_x", "X.", 2, NULL), 0);
        text = render(arrays, NULL, 2);
        assert_string_equal(text, "# HELP capi_node_x X.\n# TYPE capi_node_x gauge\ncapi_node_x 1\n");
}

static void refuses_families_that_would_break_the_page(void **state)
{
        static const char *const cases[] = {
                "{}",
                "1",
                "{\"name\":\"other\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[]}",
                "{\"name\":\"capi_node_X\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[]}",
                "{\"name\":\"capi_node_x\",\"type\":\"histogram\",\"help\":\"h\",\"samples\":[]}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"samples\":[]}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\"}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[1]}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[{\"value\":\"1\"}]"
                "}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[{\"value\":1,"
                "\"labels\":{\"a b\":\"\"}}]}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[{\"value\":1,"
                "\"labels\":{\"1\":\"\"}}]}",
                "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":[{\"value\":1,"
                "\"labels\":{\"a\":1}}]}",
        };
        static const char good[] = "{\"name\":\"capi_node_x\",\"type\":\"gauge\",\"help\":\"h\",\"samples\":["
                                   "{\"value\":1,\"labels\":{\"a\":\"1\"}}]}";
        json_object *families = NULL;
        char text[256];

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_failure_ failure = {};

                (void)snprintf(text, sizeof(text), "[%s,%s]", good, cases[i]);
                assert_int_equal(condense(text, &families, &failure), -EINVAL);
                assert_non_null(failure.message);
                assert_null(families);
        }
        (void)snprintf(text, sizeof(text), "[%s]", good);
        assert_int_equal(condense(text, &families, NULL), 0);
        json_object_put(families);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_each_family_once_in_order_of_name),
                cmocka_unit_test(a_condensed_page_is_the_same),
                cmocka_unit_test(a_report_may_be_written_in_any_way),
                cmocka_unit_test(families_that_did_not_change_are_taken_from_before),
                cmocka_unit_test(samples_of_a_report_are_the_same_as_text),
                cmocka_unit_test(escapes_labels_and_help),
                cmocka_unit_test(the_first_type_of_a_name_wins),
                cmocka_unit_test(refuses_families_that_would_break_the_page),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
