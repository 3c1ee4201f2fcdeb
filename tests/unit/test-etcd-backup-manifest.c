/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "etcd-copy.h"
#include "json.h"
#include "manifest.h"

static char *sample_text(bool stored)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("prod-1", "cp-0", 7);
        char *text;

        manifest->stored_file = strdup("etcd-prod-1-cp-0-20261121T100007Z-r1007.tar.zst");
        manifest->walked = true;
        manifest->hash = 0x51ca9f69;
        manifest->keys = 209;
        manifest->consistent_index = 208;
        manifest->raw_size = 20512;
        manifest->stored_size = 1009;
        manifest->verified_usec = manifest->started_usec;
        memset(manifest->raw_sha256, 0xab, SHA256_SIZE);
        memset(manifest->stored_sha256, 0x0c, SHA256_SIZE);
        assert_int_equal(manifest_format(manifest, stored, &text), 0);
        return text;
}

static void reads_what_it_wrote(void **state)
{
        _cleanup_free_ char *text = sample_text(true), *again = NULL;
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_failure_ failure = {};

        assert_int_equal(manifest_parse(text, strlen(text), &manifest, &failure), 0);
        assert_int_equal(manifest_format(manifest, true, &again), 0);
        assert_string_equal(text, again);
        assert_true(manifest->cluster_id == UINT64_C(0xcdf818194e3a8c32));
        assert_true(manifest->walked);
        assert_true(manifest->hash == 0x51ca9f69);
        assert_non_null(strstr(text, "\"hash\":\"51ca9f69\""));
        assert_non_null(strstr(text, "\"clusterId\":\"cdf818194e3a8c32\""));
}

static void the_version_of_kubernetes_is_there_where_it_is_known(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL, *again = NULL;
        _cleanup_free_ char *without = sample_text(true), *with = NULL;

        assert_int_equal(manifest_parse(without, strlen(without), &manifest, NULL), 0);
        assert_null(manifest->kubernetes_version);
        assert_null(strstr(without, "kubernetesVersion"));
        manifest->kubernetes_version = strdup("v1.31.2");
        assert_int_equal(manifest_format(manifest, true, &with), 0);
        assert_int_equal(manifest_parse(with, strlen(with), &again, NULL), 0);
        assert_string_equal(again->kubernetes_version, "v1.31.2");
}

static void the_one_inside_says_nothing_of_the_stored_file(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_free_ char *text = sample_text(false);

        assert_null(strstr(text, "stored"));
        assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), 0);
        assert_null(manifest->stored_file);
}

#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

/* A manifest with a MAC, as it is stored. */
static char *sealed_text(const struct authentication_key *key)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_free_ char *text = sample_text(true);
        char *name = (char *)RECIPIENT, *sealed;

        assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), 0);
        assert_false(manifest->seal.has_mac);
        assert_int_equal(manifest_seal_recipients(&manifest->seal,
                                                  &(struct config_strings){ .items = &name, .count = 1 }),
                         0);
        assert_int_equal(manifest_authenticate(manifest, key), 0);
        assert_int_equal(manifest_format(manifest, true, &sealed), 0);
        return sealed;
}

static const struct authentication_key vouching = { .data = (char *)"0123456789abcdef0123456789abcdef",
                                                    .size = 32 };

static bool is_authentic(const char *text)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        uint8_t mac[SHA256_SIZE];

        assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), 0);
        assert_true(manifest->seal.has_mac);
        assert_int_equal(authenticity_mac(&vouching, manifest->seal.canonical, mac), 0);
        return memcmp(mac, manifest->seal.mac, sizeof(mac)) == 0;
}

static void the_mac_holds_whatever_the_blanks_and_the_order(void **state)
{
        _cleanup_free_ char *text = sealed_text(&vouching);
        _cleanup_json_ json_object *object = json_tokener_parse(text), *reversed = json_object_new_object();
        const char *names[32];
        size_t n = 0;

        assert_non_null(strstr(text, RECIPIENT));
        assert_true(is_authentic(text));
        assert_true(is_authentic(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN)));
        json_object_object_foreach (object, name, value) {
                names[n++] = name;
                (void)value;
        }
        while (n-- > 0)
                json_object_object_add(reversed, names[n],
                                       json_object_get(json_object_object_get(object, names[n])));
        assert_true(is_authentic(json_object_to_json_string_ext(reversed, JSON_C_TO_STRING_SPACED)));
}

static void the_mac_fails_for_every_changed_added_or_removed_key(void **state)
{
        _cleanup_free_ char *text = sealed_text(&vouching);
        _cleanup_json_ json_object *object = json_tokener_parse(text);

        json_object_object_foreach (object, name, value) {
                _cleanup_json_ json_object *changed = json_tokener_parse(text);
                json_object *other = json_object_object_get(changed, name);

                (void)value;
                if (strcmp(name, "schemaVersion") == 0 || strcmp(name, "hmac") == 0)
                        continue;
                if (json_object_is_type(other, json_type_int))
                        json_object_set_int64(other, json_object_get_int64(other) + 1);
                else if (json_object_is_type(other, json_type_object))
                        assert_int_equal(json_set_string(other, "added", "x"), 0);
                else if (strstr(name, "At"))
                        json_object_set_string(other, "2026-01-01T00:00:00.000Z");
                else
                        json_object_set_string(other,
                                               strcmp(name, "hash") == 0 ? "9035813c" : "9035813c9956e4b0");
                assert_false(is_authentic(json_object_to_json_string(changed)));
        }

        assert_int_equal(json_set_bool(object, "added", true), 0);
        assert_false(is_authentic(json_object_to_json_string(object)));
        json_object_object_del(object, "added");
        assert_true(is_authentic(json_object_to_json_string(object)));
        json_object_object_del(object, "encryption");
        assert_false(is_authentic(json_object_to_json_string(object)));
}

static void the_canonical_form_is_that_of_rfc_8785(void **state)
{
        static const char text[] =
                "{ \"b\" : [ 1, \"/\\u0041\\\\\\\"\\u000a\\u0001\\u00e9\", null, true, {} ],\n"
                "  \"hmac\": \"x\", \"a\": { \"d\": -5, \"B\": { \"hmac\": 0 } } }";
        _cleanup_json_ json_object *object = json_tokener_parse(text);
        _cleanup_free_ char *canonical = NULL;

        assert_int_equal(authenticity_canonical(object, &canonical), 0);
        assert_string_equal(canonical, "{\"a\":{\"B\":{\"hmac\":0},\"d\":-5},"
                                       "\"b\":[1,\"/A\\\\\\\"\\n\\u0001\u00e9\",null,true,{}]}");
}

static void every_missing_key_is_refused_by_name(void **state)
{
        _cleanup_free_ char *text = sample_text(true);
        _cleanup_json_ json_object *whole = json_tokener_parse(text);

        json_object_object_foreach (whole, key, value) {
                _cleanup_(manifest_freep) struct manifest *manifest = NULL;
                _cleanup_json_ json_object *object = json_tokener_parse(text);
                _cleanup_failure_ failure = {};
                const char *cut;

                if (strcmp(key, "stored") == 0)
                        continue;
                json_object_object_del(object, key);
                cut = json_object_to_json_string(object);
                assert_true(manifest_parse(cut, strlen(cut), &manifest, &failure) < 0);
                assert_non_null(failure.message);
                (void)value;
        }
}

/* As it was before there was a walk; revisionAfter is not read any more. */
static void what_only_a_walk_tells_may_be_missing_together(void **state)
{
        static const char *const keys[] = { "hash", "keyCount", "consistentIndex" };
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_free_ char *text = sample_text(true);
        _cleanup_json_ json_object *object = json_tokener_parse(text);
        const char *cut;

        for (size_t i = 0; i < ELEMENTS(keys); i++)
                json_object_object_del(object, keys[i]);
        assert_int_equal(json_set_integer(object, "revisionAfter", 1008), 0);
        cut = json_object_to_json_string(object);
        assert_int_equal(manifest_parse(cut, strlen(cut), &manifest, NULL), 0);
        assert_false(manifest->walked);
}

static void unknown_keys_are_skipped_and_unknown_versions_refused(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL, *none = NULL;
        _cleanup_free_ char *text = sample_text(true);
        _cleanup_json_ json_object *object = json_tokener_parse(text);
        const char *changed;

        assert_int_equal(json_set_string(object, "later", "on"), 0);
        changed = json_object_to_json_string(object);
        assert_int_equal(manifest_parse(changed, strlen(changed), &manifest, NULL), 0);
        assert_int_equal(json_set_integer(object, "schemaVersion", 2), 0);
        changed = json_object_to_json_string(object);
        assert_int_equal(manifest_parse(changed, strlen(changed), &none, NULL), -EPROTONOSUPPORT);
}

static void refuses_values_of_another_form(void **state)
{
        static const struct {
                const char *key, *value;
        } rows[] = { { "clusterId", "\"CDF818194E3A8C32\"" },
                     { "clusterId", "\"cdf8\"" },
                     { "revision", "-1" },
                     { "revision", "\"7\"" },
                     { "hash", "\"123456789\"" },
                     { "hash", "\"\"" },
                     { "hash", "7" },
                     { "keyCount", "-1" },
                     { "startedAt", "\"yesterday\"" },
                     { "raw", "[]" },
                     { "raw", "{\"file\":\"snapshot.db\",\"size\":1,\"sha256\":\"zz\"}" },
                     { "encryption", "\"age\"" },
                     { "encryption", "{\"format\":\"gpg\",\"recipients\":[\"a\"]}" },
                     { "encryption", "{\"format\":\"age-encryption.org/v1\",\"recipients\":[]}" },
                     { "encryption", "{\"format\":\"age-encryption.org/v1\",\"recipients\":[1]}" },
                     { "hmac", "\"00\"" },
                     { "hmac", "null" },
                     { "node", "\"\"" } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_(manifest_freep) struct manifest *manifest = NULL;
                _cleanup_free_ char *text = sample_text(true);
                _cleanup_json_ json_object *object = json_tokener_parse(text);
                const char *changed;

                json_object_object_add(object, rows[i].key, json_tokener_parse(rows[i].value));
                changed = json_object_to_json_string(object);
                assert_int_equal(manifest_parse(changed, strlen(changed), &manifest, NULL), -EINVAL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_what_it_wrote),
                cmocka_unit_test(the_version_of_kubernetes_is_there_where_it_is_known),
                cmocka_unit_test(the_one_inside_says_nothing_of_the_stored_file),
                cmocka_unit_test(every_missing_key_is_refused_by_name),
                cmocka_unit_test(what_only_a_walk_tells_may_be_missing_together),
                cmocka_unit_test(unknown_keys_are_skipped_and_unknown_versions_refused),
                cmocka_unit_test(the_mac_holds_whatever_the_blanks_and_the_order),
                cmocka_unit_test(the_mac_fails_for_every_changed_added_or_removed_key),
                cmocka_unit_test(the_canonical_form_is_that_of_rfc_8785),
                cmocka_unit_test(refuses_values_of_another_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
