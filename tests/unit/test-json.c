/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

/* Parses from a heap copy without a terminator, so that a sanitizer sees a step behind the end. */
static int parse(const char *text, size_t size, json_object **ret, struct failure *failure)
{
        _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);

        assert_non_null(copy);
        memcpy(copy, text, size);
        return json_parse(copy, size, ret, failure);
}

static void assert_taken(const char *text, const char *expected)
{
        _cleanup_failure_ failure = {};
        _cleanup_json_ json_object *value = NULL;

        if (parse(text, strlen(text), &value, &failure) < 0)
                fail_msg("%s is refused: %s", text, failure.message);
        assert_string_equal(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), expected);
}

static void assert_refused_bytes(const char *text, size_t size, const char *expected)
{
        _cleanup_failure_ failure = {};
        json_object *value = (json_object *)&failure;

        assert_int_equal(parse(text, size, &value, &failure), -EINVAL);
        assert_ptr_equal(value, &failure);
        assert_string_equal(failure.reason, "InvalidJSON");
        assert_string_equal(failure.message, expected);

        assert_int_equal(parse(text, size, &value, NULL), -EINVAL);
}

static void assert_refused(const char *text, const char *expected)
{
        assert_refused_bytes(text, strlen(text), expected);
}

static void takes_every_kind_of_value(void **state)
{
        assert_taken("{}", "{}");
        assert_taken(" [ ] \r\n\t", "[]");
        assert_taken("12", "12");
        assert_taken("-0.5e-3", "-0.5e-3");
        assert_taken("true", "true");
        assert_taken("null", "null");
        assert_taken("\"x\"", "\"x\"");
        assert_taken("{\"a\":[1,{\"b\":null}],\"c\":\"\\u00e4\\n\\/\"}",
                     "{\"a\":[1,{\"b\":null}],\"c\":\"ä\\n\\/\"}");
        assert_taken("\"\\ud83d\\ude00\"", "\"😀\"");
        assert_taken("18446744073709551615", "18446744073709551615");
        assert_taken("-9223372036854775808", "-9223372036854775808");
}

static void says_line_and_column_in_characters(void **state)
{
        assert_refused("{\n \"ä\" : \"x\"\n \"b\": 1}", "3:2: found '\"'; expected ',' or '}'");
        assert_refused("[\"äöü\" 1]", "1:8: found '1'; expected ',' or ']'");
        assert_refused("{\r\n\"a\": x}",
                       "2:6: found 'x'; expected a value: \"string\", number, true, false, null, { or [");
}

static void refuses_what_other_notations_allow(void **state)
{
        assert_refused("{a: 1}", "1:2: found 'a'; expected a key in double quotes");
        assert_refused("{'a': 1}", "1:2: found a single quote; strings take double quotes");
        assert_refused("[1,]", "1:4: found ']' behind a comma; remove the comma");
        assert_refused("{\"a\": 1,}", "1:9: found '}' behind a comma; remove the comma");
        assert_refused("{\"a\" = 1}", "1:6: found '='; expected ':' behind the key");
        assert_refused("{} // all", "1:4: JSON has no comments; remove it");
        assert_refused("/* all */ {}", "1:1: JSON has no comments; remove it");
        assert_refused("# all\n{}", "1:1: JSON has no comments; remove it");
        assert_refused("[NaN]",
                       "1:2: found 'NaN'; expected a value: \"string\", number, true, false, null, { or [");
        assert_refused("-Infinity", "1:2: found 'Infinity'; expected a digit");
        assert_refused("True",
                       "1:1: found 'True'; expected a value: \"string\", number, true, false, null, { or [");
        assert_refused("nullx", "1:5: found 'x'; expected the end of the text");
        assert_refused("{} {}", "1:4: found '{'; expected the end of the text");
        assert_refused("[01]", "1:2: a number has no leading zeros");
        assert_refused("-01", "1:1: a number has no leading zeros");
        assert_refused("+1",
                       "1:1: found '+1'; expected a value: \"string\", number, true, false, null, { or [");
        assert_refused(".5",
                       "1:1: found '.5'; expected a value: \"string\", number, true, false, null, { or [");
        assert_refused("[1.]", "1:4: found ']'; expected a digit behind the decimal point");
        assert_refused("1e", "1:3: found the end of the text; expected the exponent's digits");
        assert_refused("0x10", "1:2: found 'x10'; expected the end of the text");
}

static void refuses_numbers_that_would_change(void **state)
{
        assert_refused("[18446744073709551616]", "1:2: this number is too large");
        assert_refused("-9223372036854775809", "1:1: this number is too large");
        assert_refused("1e999", "1:1: this number is too large");
}

static void refuses_texts_that_end_early(void **state)
{
        assert_refused("", "1:1: is empty; expected a JSON value, at least {}");
        assert_refused(" \n ", "2:2: is empty; expected a JSON value, at least {}");
        assert_refused("{\n\"a\": 1\n", "3:1: the text ends inside the object that line 1 opens");
        assert_refused("[1", "1:3: the text ends inside the list that line 1 opens");
        assert_refused("[1,", "1:4: the text ends where a value is expected");
        assert_refused("{\"a\"", "1:5: found the end of the text; expected ':' behind the key");
        assert_refused("{\"a", "1:2: this string is never closed");
        assert_refused("\"\\", "1:2: the text ends inside a string");
        assert_refused("{\"a\": \"x\n\"}",
                       "1:7: this string is not closed on its line; a line break is written \"\\n\"");
        assert_refused("tru",
                       "1:1: found 'tru'; expected a value: \"string\", number, true, false, null, { or [");
}

static void refuses_a_key_that_is_there_twice(void **state)
{
        assert_refused("{\"a\": 1,\n \"b\": 2,\n \"a\": 1}",
                       "3:2: this key is here twice; line 1 has it already");
        assert_refused("{\"a\": 1, \"\\u0061\": 1}", "1:10: this key is here twice; line 1 has it already");
        assert_refused("{\"😀\": 1, \"\\uD83D\\ude00\": 1}",
                       "1:10: this key is here twice; line 1 has it already");
        assert_refused("[{\"x\": {\"\": 1, \"\": 1}}]",
                       "1:16: this key is here twice; line 1 has it already");
        assert_taken("[{\"a\":{\"a\":1}},{\"a\":2}]", "[{\"a\":{\"a\":1}},{\"a\":2}]");
}

static void refuses_bytes_that_are_not_text(void **state)
{
        static const char nul[] = "{\"a\": \"b\0c\"}", nul_outside[] = "{}\0";

        assert_refused_bytes(nul, sizeof(nul) - 1, "1:9: NUL byte in a string");
        assert_refused_bytes(nul_outside, 3, "1:3: found byte 0x00; expected the end of the text");
        assert_refused("\xEF\xBB\xBF{}", "1:1: starts with a byte order mark; save without BOM");
        assert_refused("\xFF\xFE{", "1:1: is UTF-16; save as UTF-8");
        assert_refused("\"\t\"", "1:2: control character 0x09 in a string; write it \"\\u0009\"");
        assert_refused("\"a\\u0000\"", "1:3: NUL character in a string");
        assert_refused("\"\\ud83d\"", "1:8: half of a surrogate pair in a string");
        assert_refused("\"\\ude00\"", "1:2: half of a surrogate pair in a string");
        assert_refused("\"\\ud83dx\"", "1:8: half of a surrogate pair in a string");
        assert_refused("\"\\u12g4\"", "1:2: \"\\u\" takes four hexadecimal digits");
        assert_refused("\"C:\\x\"",
                       "1:4: unknown escape in a string; a backslash itself is written \"\\\\\"");
        assert_refused("\"\xC0\x80\"", "1:2: byte 0xC0 is not UTF-8");         /* overlong NUL */
        assert_refused("\"\xE0\x80\x80\"", "1:2: byte 0xE0 is not UTF-8");     /* overlong */
        assert_refused("\"\xED\xA0\x80\"", "1:2: byte 0xED is not UTF-8");     /* surrogate */
        assert_refused("\"\xF4\x90\x80\x80\"", "1:2: byte 0xF4 is not UTF-8"); /* above U+10FFFF */
        assert_refused("\"\xE4\"", "1:2: byte 0xE4 is not UTF-8");             /* Latin-1 */
        assert_refused("\"\xF0\x9F\x98", "1:2: byte 0xF0 is not UTF-8");       /* cut */
}

static void knows_an_unexpanded_template(void **state)
{
        assert_refused("{\"a\": {{ x }}}", "1:7: '{{' looks like an unexpanded template; expected a value");
        assert_refused("{\"a\": ${X}}", "1:7: '${' looks like an unexpanded template; expected a value");
        assert_refused("{%- if x %}{}", "1:1: '{%' looks like an unexpanded template; expected a value");
        assert_refused("{\"a\": 1 {% if x %}}",
                       "1:9: '{%' looks like an unexpanded template; expected ',' or '}'");
}

static void nests_to_the_limit_and_no_deeper(void **state)
{
        char text[2 * JSON_DEPTH_MAX + 4];
        size_t n = 0;

        for (int i = 0; i < JSON_DEPTH_MAX; i++)
                text[n++] = '[';
        text[n++] = '1';
        for (int i = 0; i < JSON_DEPTH_MAX; i++)
                text[n++] = ']';
        text[n] = '\0';
        assert_taken(text, text);

        text[JSON_DEPTH_MAX] = '[';
        assert_refused(text, "1:33: nested deeper than 32 levels");
}

static void reads_members_only_of_their_type(void **state)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *list = json_object_new_array();

        assert_int_equal(json_set_string(object, "s", "text"), 0);
        assert_int_equal(json_set_string(object, "none", NULL), 0);
        assert_int_equal(json_set_integer(object, "i", INT64_MIN), 0);
        assert_int_equal(json_set_double(object, "d", 0.5), 0);
        assert_int_equal(json_set_bool(object, "b", true), 0);
        assert_int_equal(json_set(object, "l", list), 0);
        assert_int_equal(json_append(list, json_object_new_int(7)), 0);
        assert_int_equal(json_set(object, "x", NULL), -ENOMEM);
        assert_int_equal(json_append(list, NULL), -ENOMEM);

        assert_string_equal(
                json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                "{\"s\":\"text\",\"none\":null,\"i\":-9223372036854775808,\"d\":0.5,\"b\":true,\"l\":[7]}");
        assert_string_equal(json_string(object, "s"), "text");
        assert_null(json_string(object, "i"));
        assert_null(json_string(object, "none"));
        assert_null(json_string(list, "s"));
        assert_null(json_string(NULL, "s"));
        assert_int_equal(json_integer(object, "i", 3), INT64_MIN);
        assert_int_equal(json_integer(object, "d", 3), 3);
        assert_int_equal(json_integer(object, "absent", 3), 3);
        assert_ptr_equal(json_member(object, "l", json_type_array), list);
        assert_null(json_member(object, "l", json_type_object));
}

/* More keys than the first look keeps, and an escape that stands for none of them. */
static void takes_many_keys_and_refuses_the_last_one_twice(void **state)
{
        _cleanup_free_ char *text = NULL, *twice = NULL;
        _cleanup_json_ json_object *value = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        fputs("{\"\\u0061\":0", stream);
        for (int i = 0; i < 100; i++)
                fprintf(stream, ",\"k%d\":%d", i, i);
        assert_int_equal(fclose(stream), 0);

        assert_true(asprintf(&twice, "%s,\"k99\":1}", text) > 0);
        assert_int_equal(parse(twice, strlen(twice), &value, NULL), -EINVAL);
        free(twice);
        assert_true(asprintf(&twice, "%s}", text) > 0);
        assert_int_equal(parse(twice, strlen(twice), &value, NULL), 0);
        assert_int_equal(json_object_object_length(value), 101);
}

static void assert_parts(const char *text, const char *rest, const char *a, const char *b)
{
        struct json_part parts[] = { { .key = "a" }, { .key = "b" }, {} };
        const char *const expected[] = { a, b };
        _cleanup_json_ json_object *value = NULL;
        _cleanup_free_ char *copy = strdup(text);

        assert_non_null(copy);
        assert_int_equal(json_parse_parts(copy, strlen(copy), parts, &value, NULL), 0);
        assert_string_equal(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), rest);
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                assert_int_equal(parts[i].value.size, expected[i] ? strlen(expected[i]) : 0);
                assert_int_equal(parts[i].value.at != NULL, expected[i] != NULL);
                if (expected[i])
                        assert_memory_equal(parts[i].value.at, expected[i], parts[i].value.size);
        }
}

static void leaves_members_out_and_tells_where_they_are(void **state)
{
        assert_parts("{\"a\":[1,\"]\\\\\",{}],\"c\":1,\"b\":\"\\\"}\"}", "{\"c\":1}", "[1,\"]\\\\\",{}]",
                     "\"\\\"}\"");
        assert_parts(" {\n\"c\" : [ {\"a\":1} ] ,\n\"\\u0061\" :\ttrue , \"d\":{} } ",
                     "{\"c\":[{\"a\":1}],\"d\":{}}", "true", NULL);
        assert_parts("{\"b\":-1.5e3}", "{}", NULL, "-1.5e3");
        assert_parts("{}", "{}", NULL, NULL);
        assert_parts("[{\"a\":1}]", "[{\"a\":1}]", NULL, NULL);
        assert_parts("7", "7", NULL, NULL);
}

static void the_parts_are_json_too(void **state)
{
        struct json_part parts[] = { { .key = "a" }, {} };
        static const char *const texts[] = { "{\"a\":{\"x\":1,\"x\":2}}", "{\"a\":[01]}",
                                             "{\"a\":1,\"a\":1}" };
        json_object *value;

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                _cleanup_failure_ failure = {};

                assert_int_equal(json_parse_parts(texts[i], strlen(texts[i]), parts, &value, &failure),
                                 -EINVAL);
                assert_string_equal(failure.reason, "InvalidJSON");
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_every_kind_of_value),
                cmocka_unit_test(says_line_and_column_in_characters),
                cmocka_unit_test(refuses_what_other_notations_allow),
                cmocka_unit_test(refuses_numbers_that_would_change),
                cmocka_unit_test(refuses_texts_that_end_early),
                cmocka_unit_test(refuses_a_key_that_is_there_twice),
                cmocka_unit_test(refuses_bytes_that_are_not_text),
                cmocka_unit_test(knows_an_unexpanded_template),
                cmocka_unit_test(nests_to_the_limit_and_no_deeper),
                cmocka_unit_test(reads_members_only_of_their_type),
                cmocka_unit_test(takes_many_keys_and_refuses_the_last_one_twice),
                cmocka_unit_test(leaves_members_out_and_tells_where_they_are),
                cmocka_unit_test(the_parts_are_json_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
