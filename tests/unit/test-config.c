/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config-example.h"
#include "json.h"
#include "quantity.h"

#define FILE_NAME "/etc/capi-node-agent/example.json"

static void example_freep(struct example **example)
{
        config_free(&example_type, *example);
}
#define _cleanup_example_ _cleanup_(example_freep)

static struct example *parse(const char *text)
{
        _cleanup_failure_ failure = {};
        void *parsed = NULL;

        if (config_parse(&example_type, FILE_NAME, text, strlen(text), &parsed, &failure) < 0)
                fail_msg("refused: %s", failure.message);
        return parsed;
}

static void assert_refusal(const char *text, int error, const char *reason, const char *expected)
{
        _cleanup_failure_ failure = {};
        void *untouched = &failure;

        assert_int_equal(config_parse(&example_type, FILE_NAME, text, strlen(text), &untouched, &failure),
                         error);
        assert_ptr_equal(untouched, &failure);
        assert_string_equal(failure.reason, reason);
        assert_memory_equal(failure.message, FILE_NAME ": ", strlen(FILE_NAME ": "));
        assert_string_equal(failure.message + strlen(FILE_NAME ": "), expected);

        assert_int_equal(config_parse(&example_type, FILE_NAME, text, strlen(text), &untouched, NULL), error);
}

static void assert_refused(const char *text, const char *expected)
{
        assert_refusal(text, -EINVAL, "InvalidConfiguration", expected);
}

#define TARGET    "{\"name\": \"local\", \"path\": \"/srv\"}"
#define WITH(key) "{\"targets\": [" TARGET "], " key "}"

static void reads_every_kind_of_key(void **state)
{
        _cleanup_example_ struct example *example = NULL;
        const struct example_target *targets;
        const struct example_registry *registries;
        const struct example_tier *tiers;

        example = parse("{\"apiVersion\": \"capi-node-agent/v1\", \"schedule\": \"*-*-* 00/2:00:00\", "
                        "\"maxAge\": \"6h\","
                        " \"cluster\": \"prød-1\", \"enabled\": false, \"offset\": -5, \"paths\": "
                        "[\"/var/lib/etcd\"],"
                        " \"targets\": [" TARGET ", {\"name\": \"offsite\", \"type\": \"s3\","
                        "   \"endpoint\": \"https://s3.example.org:9000\","
                        "   \"retention\": {\"keepLast\": 3, \"maxBytes\": \"20G\", \"minFree\": \"2.5%\","
                        "     \"tiers\": [{\"every\": \"10m\", \"for\": \"2h\"}, {\"every\": \"1d\", "
                        "\"for\": \"2w\"}]}}],"
                        " \"registries\": {\"docker.io\": {\"fallback\": false, \"urls\": [\"http://a\", "
                        "\"http://b\"]},"
                        "   \"quay.io\": {\"urls\": [\"https://[2001:db8::1]:5000/v2\"]}},"
                        " \"encryption\": {\"recipients\": [\"age1x\"]}}");

        assert_string_equal(example->schedule, "*-*-* 00/2:00:00");
        assert_int_equal(example->max_age_usec, 6 * USEC_PER_HOUR);
        assert_string_equal(example->cluster, "prød-1");
        assert_false(example->enabled);
        assert_int_equal(example->offset, -5);
        assert_int_equal(example->paths.count, 1);
        assert_string_equal(example->paths.items[0], "/var/lib/etcd");
        assert_string_equal(example->encryption.recipients.items[0], "age1x");
        assert_string_equal(example->encryption.key_file, "/etc/key");

        assert_int_equal(example->targets.count, 2);
        targets = example->targets.items;
        assert_string_equal(targets[0].name, "local");
        assert_int_equal(targets[1].type, TARGET_S3);
        assert_null(targets[1].path);
        assert_int_equal(targets[1].retention.keep_last, 3);
        assert_int_equal(targets[1].retention.max_bytes, UINT64_C(20) << 30);
        assert_true(targets[1].retention.min_free > 0.0249 && targets[1].retention.min_free < 0.0251);
        assert_int_equal(targets[1].retention.tiers.count, 2);
        tiers = targets[1].retention.tiers.items;
        assert_int_equal(tiers[1].for_usec, 14 * USEC_PER_DAY);

        assert_int_equal(example->registries.count, 2);
        registries = example->registries.items;
        assert_string_equal(registries[0].host, "docker.io");
        assert_false(registries[0].fallback);
        assert_string_equal(registries[0].urls.items[1], "http://b");
        assert_string_equal(registries[1].host, "quay.io");
        assert_true(registries[1].fallback);
}

static void absent_keys_take_their_fallback(void **state)
{
        _cleanup_example_ struct example *example = NULL;
        const struct example_target *target;

        example = parse("{\"targets\": [" TARGET "]}");

        assert_string_equal(example->schedule, "daily");
        assert_int_equal(example->max_age_usec, 5 * USEC_PER_HOUR);
        assert_null(example->cluster);
        assert_true(example->enabled);
        assert_int_equal(example->offset, 0);
        assert_int_equal(example->paths.count, 2);
        assert_int_equal(example->registries.count, 0);
        target = example->targets.items;
        assert_int_equal(target->type, TARGET_DIRECTORY);
        assert_int_equal(target->retention.keep_last, 12);
        assert_int_equal(target->retention.max_bytes, 0);
        assert_true(target->retention.min_free > 0.099 && target->retention.min_free < 0.101);
        assert_null(target->retention.tiers.items);
}

static void an_absent_optional_object_may_lack_what_it_requires(void **state)
{
        _cleanup_example_ struct example *example = NULL;

        example = parse("{\"targets\": [" TARGET "]}");
        assert_int_equal(example->encryption.recipients.count, 0);
        assert_string_equal(example->encryption.key_file, "/etc/key");

        assert_refused(WITH("\"encryption\": {}"), "/encryption/recipients: missing; encryption needs it");
}

static void names_the_nearest_key(void **state)
{
        assert_refused(
                "{\"targets\": [{\"name\": \"local\", \"retention\": {\"keepLst\": 5}}]}",
                "/targets/0/retention/keepLst: unknown key; did you mean \"keepLast\"? (allowed: keepLast, "
                "maxBytes, minFree, tiers)");
        assert_refused(
                "{\"targets\": [{\"name\": \"local\", \"retention\": {\"colour\": 5}}]}",
                "/targets/0/retention/colour: unknown key; allowed: keepLast, maxBytes, minFree, tiers");
        assert_refused(
                "{\"apiversion\": 1}",
                "/apiversion: unknown key; did you mean \"apiVersion\"? (allowed: schedule, maxAge, cluster, "
                "enabled, offset, paths, targets, registries, encryption, apiVersion)");
        assert_refused("{\"targets\": [{\"apiVersion\": \"capi-node-agent/v1\"}]}",
                       "/targets/0/apiVersion: unknown key; allowed: name, type, path, endpoint, retention");
        assert_string_equal(config_nearest(&example_type, "scedule"), "schedule");
        assert_null(config_nearest(&example_type, "colour"));
}

static void says_what_was_found_instead_of_the_type(void **state)
{
        assert_refused("{\"schedule\": 5}", "/schedule: found number 5; expected a string (a systemd.time(7) "
                                            "calendar in whole seconds, such as \"daily\", "
                                            "\"*-*-* 00/2:00:00\" or \"Mon..Fri 22:30 UTC\")");
        assert_refused("{\"cluster\": null}", "/cluster: found null; expected a string");
        assert_refused("{\"enabled\": \"yes\"}", "/enabled: found string \"yes\"; expected true or false");
        assert_refused("{\"offset\": 1.0}", "/offset: found number 1.0; expected a whole number");
        assert_refused("{\"offset\": \"1\"}", "/offset: found string \"1\"; expected a whole number");
        assert_refused("{\"maxAge\": 300}", "/maxAge: found number 300; expected a duration in quotes like "
                                            "\"90s\", \"5m\", \"6h\", \"2w\"");
        assert_refused("{\"paths\": \"/\"}",
                       "/paths: found string \"/\"; expected a list of strings (an absolute path "
                       "without \"..\")");
        assert_refused("{\"paths\": [\"/\", {}]}",
                       "/paths/1: found an object; expected a string (an absolute path without \"..\")");
        assert_refused("{\"targets\": {}}", "/targets: found an object; expected a list of objects");
        assert_refused("{\"targets\": [[]]}", "/targets/0: found a list; expected an object");
        assert_refused("{\"registries\": []}", "/registries: found a list; expected an object");
        assert_refused("{\"targets\": [{\"type\": true}]}", "/targets/0/type: found true; expected a string");
        assert_refused("{\"targets\": [{\"retention\": {\"maxBytes\": 5}}]}",
                       "/targets/0/retention/maxBytes: found number 5; expected a size in quotes like "
                       "\"512M\", \"10G\"");
        assert_refused("{\"targets\": [{\"retention\": {\"minFree\": 0.1}}]}",
                       "/targets/0/retention/minFree: found number 0.1; expected a percentage in quotes like "
                       "\"5%\"");
        assert_refused("[]", "found a list; expected an object {…}");
        assert_refused("null", "found null; expected an object {…}");
}

static void says_how_a_value_is_written(void **state)
{
        assert_refused(
                "{\"maxAge\": \"5 hours\"}",
                "/maxAge: \"5 hours\" is not a duration; write it like \"90s\", \"5m\", \"6h\", \"2w\"");
        assert_refused(
                "{\"targets\": [{\"retention\": {\"maxBytes\": \"20GB\"}}]}",
                "/targets/0/retention/maxBytes: \"20GB\" is not a size; write it like \"512M\", \"10G\"");
        assert_refused("{\"targets\": [{\"retention\": {\"minFree\": \"10\"}}]}",
                       "/targets/0/retention/minFree: \"10\" is not a percentage; write it like \"5%\"");
        assert_refused("{\"targets\": [{\"type\": \"directry\"}]}",
                       "/targets/0/type: unknown value \"directry\"; did you mean \"directory\"? (allowed: "
                       "directory, s3)");
        assert_refused("{\"targets\": [{\"type\": \"tape\"}]}",
                       "/targets/0/type: unknown value \"tape\"; allowed: directory, s3");
        assert_refused("{\"paths\": [\"/\", \"var\"]}",
                       "/paths/1: \"var\" is not an absolute path without \"..\"");
        assert_refused(
                WITH("\"registries\": {\"a b\": {}}"),
                "/registries/a b: key \"a b\" is not a name of at most 63 letters, digits, \".\", \"_\" and "
                "\"-\" that starts with a letter or digit");
}

static void names_a_range_in_the_notation_of_the_value(void **state)
{
        assert_refused("{\"maxAge\": \"5s\"}", "/maxAge: \"5s\" is out of range; allowed: \"1m\" to \"2w\"");
        assert_refused("{\"maxAge\": \"99999999999999999999w\"}",
                       "/maxAge: \"99999999999999999999w\" is out of range; allowed: \"1m\" to \"2w\"");
        assert_refused(
                "{\"targets\": [{\"retention\": {\"tiers\": [{\"every\": \"1s\"}]}}]}",
                "/targets/0/retention/tiers/0/every: \"1s\" is out of range; allowed: at least \"1m\"");
        assert_refused("{\"targets\": [{\"retention\": {\"maxBytes\": \"1K\"}}]}",
                       "/targets/0/retention/maxBytes: \"1K\" is out of range; allowed: \"1M\" to \"1T\"");
        assert_refused("{\"targets\": [{\"retention\": {\"minFree\": \"95%\"}}]}",
                       "/targets/0/retention/minFree: \"95%\" is out of range; allowed: \"0%\" to \"90%\"");
        assert_refused("{\"targets\": [{\"retention\": {\"keepLast\": 0}}]}",
                       "/targets/0/retention/keepLast: number 0 is out of range; allowed: 1 to 1000");
        assert_refused("{\"offset\": -6}", "/offset: number -6 is out of range; allowed: at least -5");
        assert_refused("{\"offset\": 9223372036854775808}",
                       "/offset: number 9223372036854775808 is out of range; allowed: at least -5");
        assert_refused("{\"cluster\": \"\"}", "/cluster: found 0 bytes; expected 1 to 80");
        assert_refused("{\"targets\": []}", "/targets: found 0 elements; expected 1 to 8");
        assert_refused(
                WITH("\"registries\": {\"a\": {\"urls\": [\"http://a\", \"http://b\", \"http://c\"]}}"),
                "/registries/a/urls: found 3 elements; expected 1 to 2");
        assert_refused(WITH("\"encryption\": {\"recipients\": []}"),
                       "/encryption/recipients: found 0 elements; expected at least 1");
}

static void names_what_is_missing_and_who_needs_it(void **state)
{
        assert_refused("{}", "/targets: missing; example needs it");
        assert_refused("{\"targets\": [" TARGET ", {}]}", "/targets/1/name: missing; target needs it");
        assert_refused("{\"targets\": [{\"name\": \"x\"}]}",
                       "/targets/0/path: missing; a target of type directory needs it");
        assert_refused(WITH("\"registries\": {\"a\": {}}"), "/registries/a/urls: missing; registry needs it");
}

static void asks_the_rules_over_several_keys(void **state)
{
        assert_refused("{\"targets\": [{\"name\": \"x\", \"path\": \"/\", \"retention\": {\"tiers\": ["
                       "{\"every\": \"1m\", \"for\": \"1h\"}, {\"every\": \"1h\", \"for\": \"1m\"}]}}]}",
                       "/targets/0/retention/tiers/1/for: shorter than \"every\"");
}

static void reports_the_first_error_of_the_document(void **state)
{
        assert_refused("{\"offset\": \"x\", \"schedule\": 5}",
                       "/offset: found string \"x\"; expected a whole number");
        assert_refused(
                "{\"targets\": [{\"retention\": {\"keepLast\": true}, \"name\": 5}], \"offset\": \"x\"}",
                "/targets/0/retention/keepLast: found true; expected a whole number");
}

static void recognises_an_unexpanded_template(void **state)
{
        assert_refused("{\"maxAge\": \"{{ ds.meta_data.age }}\"}",
                       "/maxAge: \"{{ ds.meta_data.age }}\" is not a duration; write it like \"90s\", "
                       "\"5m\", \"6h\", "
                       "\"2w\"; it looks like an unexpanded template");
        assert_refused("{\"paths\": [\"${DIR}/x\"]}", "/paths/0: \"${DIR}/x\" is not an absolute path "
                                                      "without \"..\"; it looks like an unexpanded template");
        assert_refused(
                "{\"targets\": [{\"type\": \"${TYPE}\"}]}",
                "/targets/0/type: unknown value \"${TYPE}\"; it looks like an unexpanded template (allowed: "
                "directory, s3)");
        assert_refused("{\"targets\": [{\"{{ key }}\": 1}]}",
                       "/targets/0/{{ key }}: unknown key; it looks like an unexpanded template (allowed: "
                       "name, type, "
                       "path, endpoint, retention)");
}

static void escapes_pointers_and_values_into_one_line(void **state)
{
        assert_refused(WITH("\"registries\": {\"a~b/c\": {}}"),
                       "/registries/a~0b~1c: key \"a~b/c\" is not a name of at most 63 letters, digits, "
                       "\".\", \"_\" "
                       "and \"-\" that starts with a letter or digit");
        assert_refused("{\"targets\": [{\"a\\nb\\u001b[31m\": 1}]}",
                       "/targets/0/a\\u000ab\\u001b[31m: unknown key; allowed: name, type, path, endpoint, "
                       "retention");
        assert_refused(
                "{\"enabled\": \"a\\\"\\\\\\r\\n\\u0085\\u202e\"}",
                "/enabled: found string \"a\\\"\\\\\\u000d\\u000a\\u0085\\u202e\"; expected true or false");
        assert_refused(
                "{\"enabled\": \"01234567890123456789012345678901234567890123456789012345678ä9\"}",
                "/enabled: found string \"01234567890123456789012345678901234567890123456789012345678…\"; "
                "expected true or false");
}

static void keeps_secrets_out_of_the_message(void **state)
{
        assert_refused("{\"targets\": [{\"endpoint\": \"https://user:p@ss/w@s3.example.org\"}]}",
                       "/targets/0/endpoint: \"https://…@s3.example.org\" is not a URL like "
                       "\"https://example.org:8443/path\" (http or https, no user or password)");
        assert_refused("{\"targets\": [{\"path\": \"https://token@example.org\"}]}",
                       "/targets/0/path: \"https://…@example.org\" is not an absolute path without \"..\"");
        assert_refused("{\"enabled\": \"user:p@ss@proxy:3128\"}",
                       "/enabled: found string \"…@proxy:3128\"; expected true or false");
        assert_refused("{\"enabled\": \"age-secret-key-1GFPYYSJZ\"}",
                       "/enabled: found string \"age-secret-key-\"; expected true or false");
        assert_refused("{\"enabled\": \"-----BEGIN PRIVATE KEY-----\\nMIIE\"}",
                       "/enabled: found string \"-----BEGIN PRIVATE KEY-----\"; expected true or false");
}

static void refuses_another_version_by_name(void **state)
{
        assert_refusal(
                "{\"later\": 1, \"apiVersion\": \"capi-node-agent/v2\"}", -EPROTONOSUPPORT,
                "UnknownApiVersion",
                "/apiVersion: \"capi-node-agent/v2\" is unknown; this release knows \"capi-node-agent/v1\"");
        assert_refused("{\"apiVersion\": 1}", "/apiVersion: found number 1; expected \"capi-node-agent/v1\"");
}

static void refuses_what_is_not_json(void **state)
{
        static char large[CONFIG_SIZE_MAX + 2];

        assert_refusal("{\"targets\": [\n  {\"name\": \"a\",}\n]}", -EINVAL, "InvalidJSON",
                       "2:16: found '}' behind a comma; remove the comma");
        assert_refusal("", -EINVAL, "InvalidJSON", "1:1: is empty; expected a JSON value, at least {}");

        memset(large, ' ', sizeof(large) - 1);
        assert_refused(large, "has 262145 bytes; at most 262144 are allowed");
}

static void assert_check(int (*check)(const char *, const char **), const char *good, const char *bad)
{
        const char *allowed;

        for (; *good; good += strlen(good) + 1)
                if (check(good, &allowed) != 0)
                        fail_msg("\"%s\" is refused: %s", good, allowed);
        for (; *bad; bad += strlen(bad) + 1)
                if (check(bad, &allowed) != -EINVAL || !allowed)
                        fail_msg("\"%s\" is taken", bad);
        assert_int_equal(check("", &allowed), -EINVAL);
        assert_non_null(allowed);
}

static void checks_take_what_they_promise(void **state)
{
        static char long_path[PATH_MAX + 1];
        const char *allowed;

        assert_check(config_check_path, "/\0/a\0/a/b.c\0/a/..b\0/a b\0/...\0/a//b/\0",
                     "a\0./a\0/..\0/a/../b\0/a//..\0/a\nb\0");
        assert_check(config_check_url,
                     "https://a\0http://example.org:80/x?y=z#w\0https://[::1]\0https://[2001:db8::1]:65535/"
                     "\0https://a_b-c\0",
                     "a\0ftp://a\0https://\0https:///x\0https://u@a\0https://u:p@a/\0https://a:\0https://"
                     "a:0\0https://a:65536\0"
                     "https://a:1x\0https://[::1\0https://[]\0https://[::1]x\0https://a "
                     "b\0https://a/\n\0https://-a\0"
                     "https://ä\0HTTPS://a\0https://a/{{x}}\0https://a\\b\0https://?x\0");
        assert_check(config_check_calendar,
                     "daily\0*-*-* 00/2:00:00\0Sun *-*-* 03:00:00\0Mon..Fri 10:00 Europe/Berlin\0*:0/15\0",
                     "5\0005m\0{{ x }}\0a;b\0");
        assert_check(config_check_name,
                     "a\0A.b_c-1\0"
                     "0\0docker.io\0",
                     "-a\0.a\0a b\0a/b\0ä\0"
                     "0123456789012345678901234567890123456789012345678901234567890123\0");

        memset(long_path, 'a', sizeof(long_path) - 1);
        long_path[0] = '/';
        assert_int_equal(config_check_path(long_path, &allowed), -EINVAL);
        long_path[PATH_MAX - 1] = '\0';
        assert_int_equal(config_check_path(long_path, &allowed), 0);
}

static json_object *follow(json_object *json, const char *const *keys)
{
        for (; *keys; keys++)
                if (!json_object_object_get_ex(json, *keys, &json))
                        fail_msg("no %s", *keys);
        return json;
}

#define AT(json, ...) \
        json_object_to_json_string_ext(follow(json, (const char *const[]){ __VA_ARGS__, NULL }), 0)

static void the_schema_says_what_the_table_says(void **state)
{
        _cleanup_free_ char *text = config_schema(&example_type);
        _cleanup_json_ json_object *schema = NULL;

        assert_non_null(text);
        assert_int_equal(json_parse(text, strlen(text), &schema, NULL), 0);

        assert_string_equal(json_string(schema, "$schema"), "https://json-schema.org/draft/2020-12/schema");
        assert_string_equal(json_string(schema, "title"), "example");
        assert_string_equal(AT(schema, "additionalProperties"), "false");
        assert_string_equal(AT(schema, "required"), "[\"targets\"]");
        assert_string_equal(AT(schema, "properties", "apiVersion", "const"), "\"capi-node-agent\\/v1\"");
        assert_string_equal(AT(schema, "properties", "schedule"),
                            "{\"type\":\"string\",\"description\":\"When.\",\"default\":\"daily\"}");
        assert_string_equal(AT(schema, "properties", "maxAge"),
                            "{\"type\":\"string\",\"pattern\":\"^[0-9]+(us|ms|s|m|h|d|w)$\",\"description\":"
                            "\"Oldest good "
                            "copy.\",\"default\":\"5h\"}");
        assert_string_equal(
                AT(schema, "properties", "cluster"),
                "{\"type\":\"string\",\"minLength\":1,\"maxLength\":80,\"description\":\"Free text.\"}");
        assert_string_equal(
                AT(schema, "properties", "offset"),
                "{\"type\":\"integer\",\"minimum\":-5,\"description\":\"A number around zero.\"}");
        assert_string_equal(AT(schema, "properties", "paths", "default"), "[\"\\/\",\"\\/var\"]");
        assert_string_equal(AT(schema, "properties", "targets", "minItems"), "1");
        assert_string_equal(AT(schema, "properties", "targets", "maxItems"), "8");
        assert_string_equal(AT(schema, "properties", "targets", "items", "required"), "[\"name\"]");
        assert_string_equal(AT(schema, "properties", "targets", "items", "properties", "type", "enum"),
                            "[\"directory\",\"s3\"]");
        assert_string_equal(AT(schema, "properties", "targets", "items", "properties", "retention",
                               "description"),
                            "\"What is kept.\"");
        assert_string_equal(AT(schema, "properties", "registries", "additionalProperties", "required"),
                            "[\"urls\"]");
        assert_string_equal(AT(schema, "properties", "registries", "additionalProperties",
                               "additionalProperties"),
                            "false");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_every_kind_of_key),
                cmocka_unit_test(absent_keys_take_their_fallback),
                cmocka_unit_test(an_absent_optional_object_may_lack_what_it_requires),
                cmocka_unit_test(names_the_nearest_key),
                cmocka_unit_test(says_what_was_found_instead_of_the_type),
                cmocka_unit_test(says_how_a_value_is_written),
                cmocka_unit_test(names_a_range_in_the_notation_of_the_value),
                cmocka_unit_test(names_what_is_missing_and_who_needs_it),
                cmocka_unit_test(asks_the_rules_over_several_keys),
                cmocka_unit_test(reports_the_first_error_of_the_document),
                cmocka_unit_test(recognises_an_unexpanded_template),
                cmocka_unit_test(escapes_pointers_and_values_into_one_line),
                cmocka_unit_test(keeps_secrets_out_of_the_message),
                cmocka_unit_test(refuses_another_version_by_name),
                cmocka_unit_test(refuses_what_is_not_json),
                cmocka_unit_test(checks_take_what_they_promise),
                cmocka_unit_test(the_schema_says_what_the_table_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
