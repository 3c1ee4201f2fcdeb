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
        assert_int_equal(manifest->revision_after, 1008);
        assert_non_null(strstr(text, "\"clusterId\":\"cdf818194e3a8c32\""));
}

static void the_one_inside_says_nothing_of_the_stored_file(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_free_ char *text = sample_text(false);

        assert_null(strstr(text, "stored"));
        assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), 0);
        assert_null(manifest->stored_file);
}

static void every_missing_key_is_refused_by_name(void **state)
{
        static const char *const optional[] = { "revisionAfter" };
        _cleanup_free_ char *text = sample_text(true);
        _cleanup_json_ json_object *whole = json_tokener_parse(text);

        json_object_object_foreach (whole, key, value) {
                _cleanup_(manifest_freep) struct manifest *manifest = NULL;
                _cleanup_json_ json_object *object = json_tokener_parse(text);
                _cleanup_failure_ failure = {};
                const char *cut;

                if (strcmp(key, optional[0]) == 0 || strcmp(key, "stored") == 0)
                        continue;
                json_object_object_del(object, key);
                cut = json_object_to_json_string(object);
                assert_true(manifest_parse(cut, strlen(cut), &manifest, &failure) < 0);
                assert_non_null(failure.message);
                (void)value;
        }
}

static void unknown_keys_are_skipped_and_unknown_versions_refused(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL, *none = NULL;
        _cleanup_free_ char *text = sample_text(true);
        _cleanup_json_ json_object *object = json_tokener_parse(text);
        const char *changed;

        assert_int_equal(json_set_string(object, "hmac", "later"), 0);
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
                     { "startedAt", "\"yesterday\"" },
                     { "raw", "[]" },
                     { "raw", "{\"file\":\"snapshot.db\",\"size\":1,\"sha256\":\"zz\"}" },
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
                cmocka_unit_test(the_one_inside_says_nothing_of_the_stored_file),
                cmocka_unit_test(every_missing_key_is_refused_by_name),
                cmocka_unit_test(unknown_keys_are_skipped_and_unknown_versions_refused),
                cmocka_unit_test(refuses_values_of_another_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
