/* SPDX-License-Identifier: Apache-2.0 */

#include "offsite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "program.h"
#include "s3-list.h"
#include "target-state.h"

static struct swift swift;
struct fault_proxy offsite_proxy;
char offsite_prefix[32];

int offsite_set_up(void **state)
{
        (void)backup_node_set_up(state);
        swift_start(&swift, root);
        fault_proxy_start(&offsite_proxy, swift.port);
        return 0;
}

int offsite_tear_down(void **state)
{
        fault_proxy_stop(&offsite_proxy);
        swift_stop(&swift);
        return backup_node_tear_down(state);
}

int offsite_begin(void **state)
{
        static unsigned number;

        offsite_proxy.fault = NULL;
        (void)snprintf(offsite_prefix, sizeof(offsite_prefix), "run-%u/", ++number);
        return backup_node_reset(state);
}

static void write_configuration(const char *encryption, const char *format, va_list list) _printf_(2, 0);
static void write_configuration(const char *encryption, const char *format, va_list list)
{
        _cleanup_free_ char *targets = NULL, *text = NULL;

        assert_true(vasprintf(&targets, format, list) > 0);
        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\" },\n"
                             "  %s \"targets\": [ %s ] }\n",
                             member.endpoint, encryption, targets) > 0);
        root_write(root, CONFIG, text, 0600);
}

void configure(const char *format, ...)
{
        va_list list;

        va_start(list, format);
        write_configuration("", format, list);
        va_end(list);
}

#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

void configure_sealed(const char *format, ...)
{
        va_list list;

        va_start(list, format);
        write_configuration("\"encryption\": { \"recipients\": [ \"" RECIPIENT "\" ] },", format, list);
        va_end(list);
}

/* Through the offsite_proxy. Owned by the caller. */
char *offsite_keeping(const char *retention)
{
        char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"name\": \"offsite\", \"type\": \"s3\", \"endpoint\": \"%s\",\n"
                             "  \"bucket\": \"" SWIFT_BUCKET "\", \"prefix\": \"%s\", "
                             "\"credentialsFile\": \"" SWIFT_CREDENTIALS "\",\n"
                             "  \"allowPlaintext\": true, \"retention\": %s }",
                             offsite_proxy.endpoint, offsite_prefix, retention) > 0);
        return text;
}

char *offsite_allowing(const char *name, const char *bucket, const char *plaintext)
{
        char *text = NULL;

        assert_true(
                asprintf(&text,
                         "{ \"name\": \"%s\", \"type\": \"s3\", \"endpoint\": \"%s\", \"bucket\": \"%s\",\n"
                         "  \"prefix\": \"%s\", \"credentialsFile\": \"" SWIFT_CREDENTIALS "\",\n"
                         "  \"allowPlaintext\": %s }",
                         name, offsite_proxy.endpoint, bucket, offsite_prefix, plaintext) > 0);
        return text;
}

char *offsite(const char *name, const char *bucket)
{
        return offsite_allowing(name, bucket, "true");
}

void configure_local_and_offsite(void)
{
        _cleanup_free_ char *target = offsite("offsite", SWIFT_BUCKET);

        configure(LOCAL ", %s", target);
}

void configure_offsite_alone(void)
{
        _cleanup_free_ char *target = offsite("offsite", SWIFT_BUCKET);

        configure("%s", target);
}

struct s3_access access_to_swift(void)
{
        return (struct s3_access){ .endpoint = swift.plain_endpoint,
                                   .region = (char *)"us-east-1",
                                   .bucket = (char *)SWIFT_BUCKET,
                                   .prefix = offsite_prefix,
                                   .credentials_file = (char *)SWIFT_CREDENTIALS };
}

struct store *open_store(void)
{
        static struct backup_target target;
        struct store *store = NULL;

        target = (struct backup_target){
                .name = (char *)"check", .allow_plaintext = true, .kind = TARGET_S3, .s3 = access_to_swift()
        };
        assert_int_equal(store_open(&target, root, NULL, &store, NULL), 0);
        return store;
}

/* So many whole copies are there, and nothing else. */
void assert_arrived(size_t n)
{
        const struct s3_access access = access_to_swift();
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_(s3_closep) struct s3 *s3 = NULL;
        _cleanup_s3_objects_ objects = {};
        _cleanup_s3_uploads_ uploads = {};
        _cleanup_copies_ copies = {};

        assert_int_equal(store_list(store, CLUSTER, NULL, &copies, NULL), 0);
        assert_int_equal(copies.count, n);
        for (size_t i = 0; i < n; i++)
                assert_true(copies.items[i].whole);
        assert_int_equal(s3_open(&access, root, NULL, &s3, NULL), 0);
        assert_int_equal(s3_list_objects(s3, offsite_prefix, &objects, NULL), 0);
        assert_int_equal(s3_list_uploads(s3, offsite_prefix, &uploads, NULL), 0);
        assert_int_equal(objects.count, 2 * n);
        assert_int_equal(uploads.count, 0);
}

void assert_trouble(const char *target, const char *reason)
{
        _cleanup_free_ char *state_dir = under(STATE);
        _cleanup_target_state_ state = {};

        assert_int_equal(target_state_load(state_dir, target, &state), 0);
        if (!reason) {
                assert_null(state.failure.reason);
                assert_non_null(state.newest);
                return;
        }
        assert_string_equal(state.failure.reason, reason);
        assert_non_null(strstr(state.failure.message, target));
}
