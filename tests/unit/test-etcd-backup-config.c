/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "configuration.h"
#include "quantity.h"

static void assert_refused(const char *text, const char *word)
{
        _cleanup_failure_ failure = {};
        void *config = NULL;

        assert_true(config_parse(&backup_config_type, "etcd-backup.json", text, strlen(text), &config,
                                 &failure) < 0);
        if (!strstr(failure.message, word))
                fail_msg("\"%s\" does not name \"%s\"", failure.message, word);
}

static void the_smallest_file_has_everything(void **state)
{
        const struct backup_config *config;
        void *parsed = NULL;

        assert_int_equal(config_parse(&backup_config_type, "etcd-backup.json", "{}", 2, &parsed, NULL), 0);
        config = parsed;
        assert_string_equal(config->schedule, "*-*-* 00/2:00:00");
        assert_int_equal(config->randomized_delay_usec, 10 * USEC_PER_MIN);
        assert_int_equal(config->max_age_usec, 5 * USEC_PER_HOUR);
        assert_string_equal(config->cluster, "kubernetes");
        assert_string_equal(config->etcd.endpoint, "https://127.0.0.1:2379");
        assert_string_equal(config->etcd.cert_file, "/etc/kubernetes/pki/etcd/healthcheck-client.crt");
        assert_int_equal(config->targets.count, 1);
        assert_string_equal(backup_config_target(config, 0)->name, "local");
        assert_int_equal(backup_config_target(config, 0)->kind, TARGET_DIRECTORY);
        assert_int_equal(backup_config_target(config, 0)->retention.keep_verified, 1);
        assert_int_equal(retention_keep_last(&backup_config_target(config, 0)->retention), 12);
        config_free(&backup_config_type, parsed);
}

static const struct target_retention *parse_retention(const char *rules, void **ret)
{
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "{\"targets\":[{\"name\":\"a\",\"path\":\"/a\",\"retention\":%s}]}", rules);
        assert_int_equal(config_parse(&backup_config_type, "f", text, strlen(text), ret, NULL), 0);
        return &backup_config_target(*ret, 0)->retention;
}

static void the_newest_are_counted_only_where_nothing_else_says_how_many(void **state)
{
        static const struct {
                const char *rules;
                uint64_t last;
        } cases[] = {
                { "{}", 12 },
                { "{\"keepVerified\":3,\"minFree\":\"5%\"}", 12 },
                { "{\"keepLast\":7,\"maxAge\":\"1d\"}", 7 },
                { "{\"tiers\":[{\"every\":\"1h\",\"for\":\"1d\"},{\"every\":\"1d\"}]}", 0 },
                { "{\"maxAge\":\"1d\"}", UINT64_MAX },
                { "{\"maxBytes\":\"1G\"}", UINT64_MAX },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                void *config = NULL;

                assert_int_equal(retention_keep_last(parse_retention(cases[i].rules, &config)),
                                 cases[i].last);
                config_free(&backup_config_type, config);
        }
}

static void free_space_is_a_size_or_a_part(void **state)
{
        void *config = NULL;

        assert_int_equal(retention_min_free(parse_retention("{\"minFree\":\"10%\"}", &config), 1000), 100);
        config_free(&backup_config_type, config);
        assert_int_equal(retention_min_free(parse_retention("{\"minFree\":\"1K\"}", &config), 1000), 1024);
        config_free(&backup_config_type, config);
        assert_int_equal(retention_min_free(parse_retention("{}", &config), 1000), 0);
        config_free(&backup_config_type, config);
}

static void refuse_retention(const char *rules, const char *word)
{
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "{\"targets\":[{\"name\":\"a\",\"path\":\"/a\",\"retention\":%s}]}", rules);
        assert_refused(text, word);
}

static void retention_that_makes_no_sense_is_refused(void **state)
{
        refuse_retention("{\"keepLast\":0}", "keepLast");
        refuse_retention("{\"keepVerified\":0}", "keepVerified");
        refuse_retention("{\"tiers\":[]}", "tiers");
        refuse_retention("{\"tiers\":[{\"for\":\"1d\"}]}", "every");
        refuse_retention("{\"tiers\":[{\"every\":\"2d\",\"for\":\"1d\"}]}",
                         "/targets/0/retention/tiers/0/for");
        refuse_retention("{\"tiers\":[{\"every\":\"1d\"},{\"every\":\"1h\"}]}", "/tiers/1/every");
        refuse_retention("{\"minFree\":\"100%\"}", "minFree");
        refuse_retention("{\"minFree\":\"much\"}", "minFree");
}

static void only_known_things_are_included(void **state)
{
        assert_refused("{\"include\":[\"pki\",\"everything\"]}", "/include/1");
}

static void targets_do_not_share_names_or_paths(void **state)
{
        assert_refused("{\"targets\":[]}", "targets");
        assert_refused("{\"targets\":[{\"name\":\"a\",\"path\":\"/a\"},{\"name\":\"a\",\"path\":\"/b\"}]}",
                       "/targets/1/name");
        assert_refused("{\"targets\":[{\"name\":\"a\",\"path\":\"/a\"},{\"name\":\"b\",\"path\":\"/a\"}]}",
                       "/targets/1/path");
        assert_refused("{\"targets\":[{\"name\":\"a\",\"path\":\"relative\"}]}", "/targets/0/path");
        assert_refused("{\"targets\":[{\"name\":\"a\",\"path\":\"/a\",\"retention\":{\"keepLast\":0}}]}",
                       "keepLast");
}

static void a_target_lasts(void **state)
{
        assert_refused("{\"targets\":[{\"name\":\"a\",\"path\":\"/tmp/copies\"}]}", "lasts");
        assert_refused("{\"targets\":[{\"name\":\"a\",\"path\":\"/run\"}]}", "lasts");
}

#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

static void recipients_are_keys_of_age(void **state)
{
        static const char text[] = "{\"encryption\":{\"recipients\":[\"" RECIPIENT
                                   "\"],\"authenticationKeyFile\":\"/etc/key\"}}";
        const struct backup_config *config;
        void *parsed = NULL;

        assert_int_equal(config_parse(&backup_config_type, "etcd-backup.json", text, strlen(text), &parsed,
                                      NULL),
                         0);
        config = parsed;
        assert_int_equal(config->encryption.recipients.count, 1);
        assert_string_equal(config->encryption.recipients.items[0], RECIPIENT);
        assert_string_equal(config->encryption.authentication_key_file, "/etc/key");
        config_free(&backup_config_type, parsed);

        assert_refused("{\"encryption\":{\"recipients\":[]}}", "/encryption/recipients");
        assert_refused("{\"encryption\":{\"recipients\":[\"" RECIPIENT "x\"]}}", "age-keygen -y");
        assert_refused("{\"encryption\":{\"recipients\":[\"ssh-ed25519 AAAA\"]}}", "age-keygen -y");
        assert_refused("{\"encryption\":{\"authenticationKeyFile\":\"key\"}}", "absolute");
}

static void an_identity_for_a_recipient_is_refused_and_not_shown(void **state)
{
        static const char text[] =
                "{\"encryption\":{\"recipients\":"
                "[\"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\"]}}";
        _cleanup_failure_ failure = {};
        void *config = NULL;

        assert_int_equal(config_parse(&backup_config_type, "etcd-backup.json", text, strlen(text), &config,
                                      &failure),
                         -EINVAL);
        assert_non_null(strstr(failure.message, "/encryption/recipients/0"));
        assert_null(strstr(failure.message, "GFPYYS"));
}

#define S3_KEYS                                                  \
        "\"name\":\"o\",\"type\":\"s3\",\"endpoint\":\"https://" \
        "s3.example.org:9000\",\"bucket\":\"etcd\",\"credentialsFile\":\"/etc/c\""
#define S3_TARGETS(keys) "\"targets\":[{" S3_KEYS keys "}]"
#define SEALED           "\"encryption\":{\"recipients\":[\"" RECIPIENT "\"]},"

static void an_s3_target_has_what_it_needs_and_nothing_of_a_directory(void **state)
{
        static const char text[] = "{" SEALED S3_TARGETS("") "}";
        const struct backup_target *target;
        void *parsed = NULL;

        assert_int_equal(config_parse(&backup_config_type, "f", text, strlen(text), &parsed, NULL), 0);
        target = backup_config_target(parsed, 0);
        assert_int_equal(target->kind, TARGET_S3);
        assert_string_equal(target->s3.region, "us-east-1");
        assert_int_equal(target->s3.addressing, S3_ADDRESSING_PATH);
        config_free(&backup_config_type, parsed);

        assert_refused("{" SEALED "\"targets\":[{\"name\":\"o\",\"type\":\"s3\"}]}", "lacks \"endpoint\"");
        assert_refused("{" SEALED S3_TARGETS(",\"path\":\"/a\"") "}", "/targets/0/path: belongs to targets");
        assert_refused("{\"targets\":[{\"name\":\"o\"}]}", "lacks \"path\"");
        assert_refused("{\"targets\":[{\"name\":\"o\",\"path\":\"/a\",\"bucket\":\"abc\"}]}",
                       "/targets/0/bucket");
        assert_refused("{" SEALED S3_TARGETS(",\"retention\":{\"minFree\":\"10%\"}") "}",
                       "/targets/0/retention/minFree: belongs to targets of type \"directory\"");
        assert_refused("{" SEALED S3_TARGETS(",\"caFile\":\"/root/ca.crt\"") "}",
                       "/targets/0/caFile: \"/root/ca.crt\"");
        assert_refused("{" SEALED S3_TARGETS(",\"caFile\":\"/tmp/ca.crt\"") "}", "the snapshot's unit sees");
        assert_refused("{\"encryption\":{\"authenticationKeyFile\":\"/home/me/key\"}}",
                       "the snapshot's unit sees");
        assert_refused("{\"etcd\":{\"keyFile\":\"/root/etcd.key\"}}", "the snapshot's unit sees");
        assert_refused("{" SEALED S3_TARGETS(",\"prefix\":\"/a\"") "}", "/targets/0/prefix");
        assert_refused("{" SEALED S3_TARGETS(",\"prefix\":\"a/../b\"") "}", "/targets/0/prefix");
        assert_refused("{" SEALED S3_TARGETS(",\"prefix\":\"a b\"") "}", "/targets/0/prefix");
        assert_refused("{" SEALED S3_TARGETS(",\"proxy\":\"http://u:geheim@p\"") "}", "/targets/0/proxy");
}

static void two_targets_are_not_one_place(void **state)
{
        assert_refused(
                "{" SEALED "\"targets\":[{" S3_KEYS "},{\"name\":\"p\",\"type\":\"s3\",\"endpoint\":"
                "\"https://s3.example.org:9000\",\"bucket\":\"etcd\",\"credentialsFile\":\"/etc/d\"}]}",
                "/targets/1/bucket");
}

static void copies_leave_the_node_encrypted_or_by_leave(void **state)
{
        static const char text[] = "{" S3_TARGETS(",\"allowPlaintext\":true") "}";
        void *parsed = NULL;

        assert_refused("{" S3_TARGETS("") "}", "allowPlaintext");
        assert_refused("{" S3_TARGETS("") "}", "/encryption/recipients");
        assert_int_equal(config_parse(&backup_config_type, "f", text, strlen(text), &parsed, NULL), 0);
        config_free(&backup_config_type, parsed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_smallest_file_has_everything),
                cmocka_unit_test(the_newest_are_counted_only_where_nothing_else_says_how_many),
                cmocka_unit_test(free_space_is_a_size_or_a_part),
                cmocka_unit_test(retention_that_makes_no_sense_is_refused),
                cmocka_unit_test(only_known_things_are_included),
                cmocka_unit_test(a_target_lasts),
                cmocka_unit_test(recipients_are_keys_of_age),
                cmocka_unit_test(an_identity_for_a_recipient_is_refused_and_not_shown),
                cmocka_unit_test(targets_do_not_share_names_or_paths),
                cmocka_unit_test(an_s3_target_has_what_it_needs_and_nothing_of_a_directory),
                cmocka_unit_test(two_targets_are_not_one_place),
                cmocka_unit_test(copies_leave_the_node_encrypted_or_by_leave),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
