/* SPDX-License-Identifier: Apache-2.0 */

/* The ways to an S3 server: through a real proxy (Debian's tinyproxy), by the bucket's own name, with the
 * keys of the moment, and over connections that stand still. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "etcd.h"
#include "files.h"
#include "program.h"
#include "s3-target.h"
#include "tinyproxy.h"
#include "verify.h"

#define LARGE (20 * 1024 * 1024) /* two parts */

/* ---- proxies ---- */

static struct tinyproxy tinyproxy;

/* As the target's proxy. rule: a line of its configuration more. */
static void start_tinyproxy(const char *rule)
{
        tinyproxy_start(&tinyproxy, root, rule);
        target.s3.proxy = tinyproxy.url;
}

static int stop_tinyproxy(void **state)
{
        tinyproxy_stop(&tinyproxy);
        return 0;
}

static void a_proxy_forwards_what_goes_to_a_plain_endpoint(void **state)
{
        char request[128];

        start_tinyproxy("");
        target.s3.endpoint = swift.plain_endpoint;
        {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_put(store, "cp-0", 1000000);
        }
        assert_copies(1);
        (void)snprintf(request, sizeof(request), "PUT %s/" SWIFT_BUCKET "/%s", swift.plain_endpoint,
                       target.s3.prefix);
        tinyproxy_assert_passed(&tinyproxy, request);
}

static void a_tunnel_through_a_proxy_ends_at_the_server_whose_authority_is_pinned(void **state)
{
        _cleanup_failure_ failure = {};
        char request[128];

        start_tinyproxy("");
        target.s3.endpoint = swift.endpoint;
        target.s3.ca_file = (char *)SWIFT_CA;
        {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_put(store, "cp-0", 1000000);
        }
        assert_copies(1);
        (void)snprintf(request, sizeof(request), "CONNECT %s", strstr(swift.endpoint, "//") + 2);
        tinyproxy_assert_passed(&tinyproxy, request);

        target.s3.ca_file = (char *)SWIFT_OTHER_CA;
        {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_int_equal(put(store, "cp-0", 1000, &failure), -EKEYREJECTED);
        }
}

static void a_proxy_that_refuses_is_named(void **state)
{
        static const char *const rules[] = { "ConnectPort 1", "BasicAuth user geheim" };

        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                _cleanup_(store_closep) struct store *store = NULL;
                _cleanup_failure_ failure = {};

                start_tinyproxy(rules[i]);
                target.s3.endpoint = i == 0 ? swift.endpoint : swift.plain_endpoint;
                store = open_store();
                assert_true(put(store, "cp-0", 1000, &failure) < 0);
                assert_non_null(strstr(failure.message, target.s3.proxy));
                assert_non_null(strstr(failure.message, i == 0 ? "403" : "407"));
                (void)stop_tinyproxy(NULL);
        }
}

#define PROXY_SECRET "sehr-geheim.42"

/* Its keys beside those of the proxy. */
static void write_credentials(const char *proxy_password)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "aws_access_key_id=" SWIFT_KEY "\naws_secret_access_key=" SWIFT_SECRET
                             "\nproxy_user=cluster\nproxy_password=%s\n",
                             proxy_password) > 0);
        root_write(root, "etc/s3/proxied", text, 0600);
        target.s3.credentials_file = (char *)"/etc/s3/proxied";
}

static void a_proxy_gets_the_user_and_password_of_the_credentials_file(void **state)
{
        for (unsigned tunnel = 0; tunnel < 2; tunnel++) {
                _cleanup_(store_closep) struct store *store = NULL;

                assert_int_equal(s3_target_begin(NULL), 0);
                start_tinyproxy("BasicAuth cluster " PROXY_SECRET);
                target.s3.endpoint = tunnel ? swift.endpoint : swift.plain_endpoint;
                target.s3.ca_file = tunnel ? (char *)SWIFT_CA : NULL;
                write_credentials(PROXY_SECRET);
                store = open_store();
                assert_put(store, "cp-0", 1000000);
                assert_copies(1);
                (void)stop_tinyproxy(NULL);
        }
}

static void a_password_that_the_proxy_refuses_is_the_cause_at_once_and_in_no_message(void **state)
{
        for (unsigned tunnel = 0; tunnel < 2; tunnel++) {
                _cleanup_(store_closep) struct store *store = NULL;
                _cleanup_failure_ failure = {};

                start_tinyproxy("BasicAuth cluster " PROXY_SECRET);
                target.s3.endpoint = tunnel ? swift.endpoint : swift.plain_endpoint;
                target.s3.ca_file = tunnel ? (char *)SWIFT_CA : NULL;
                write_credentials("another");
                store = open_store();
                assert_int_equal(put(store, "cp-0", 1000, &failure), -EACCES);
                /* Tinyproxy says 401 here, as a server may: only of who was asked for a tunnel it is known.
                 */
                assert_string_equal(failure.reason,
                                    tunnel ? "ProxyCredentialsRefused" : "CredentialsRefused");
                assert_non_null(strstr(failure.message, "proxy_password"));
                assert_non_null(strstr(failure.message, target.s3.proxy));
                assert_null(strstr(failure.message, "another"));
                (void)stop_tinyproxy(NULL);
        }
}

static void what_the_server_refuses_behind_a_proxy_is_not_the_proxys(void **state)
{
        struct fault fault = { .answer = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n" };
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_failure_ failure = {};

        start_tinyproxy("");
        proxy.fault = &fault;
        store = open_store();
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EACCES);
        assert_string_equal(failure.reason, "CredentialsRefused");
        assert_int_equal(atomic_load(&fault.seen), 1); /* no use in trying again */
        proxy.fault = NULL;
}

static void a_user_without_a_password_is_refused(void **state)
{
        _cleanup_failure_ failure = {};
        struct store *store;

        root_write(root, "etc/s3/proxied",
                   "aws_access_key_id=a\naws_secret_access_key=b\nproxy_user=cluster\n", 0600);
        target.s3.credentials_file = (char *)"/etc/s3/proxied";
        assert_int_equal(store_open(&target, root, NULL, &store, &failure), -EINVAL);
        assert_string_equal(failure.reason, "CredentialsUnreadable");
}

static void a_proxy_that_is_not_there_is_named_and_nothing_goes_past_it(void **state)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_failure_ failure = {};
        unsigned before = atomic_load(&proxy.requests);

        target.s3.proxy = (char *)"http://127.0.0.1:1";
        store = open_store();
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EHOSTUNREACH);
        assert_string_equal(failure.reason, "TargetUnreachable");
        assert_non_null(strstr(failure.message, "through proxy http://127.0.0.1:1"));
        assert_int_equal(atomic_load(&proxy.requests), before);
}

static void the_environments_proxy_is_not_used(void **state)
{
        static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                setenv(names[i], "http://127.0.0.1:1", 1);
        {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_put(store, "cp-0", 1000);
        }
        assert_copies(1);
        for (size_t i = 0; i < ELEMENTS(names); i++)
                unsetenv(names[i]);
}

/* ---- names ---- */

static void the_bucket_may_stand_in_the_host_name(void **state)
{
        static const size_t sizes[] = { 1000, LARGE };
        char endpoint[64];

        (void)snprintf(endpoint, sizeof(endpoint), "http://localhost:%u", proxy.port);
        target.s3.endpoint = endpoint;
        target.s3.addressing = S3_ADDRESSING_VIRTUAL;
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_put(store, "cp-0", sizes[i]);
        }
        assert_copies(2);
        /* The same objects, and nothing was taken for a bucket in the path. */
        target.s3.endpoint = proxy.endpoint;
        target.s3.addressing = S3_ADDRESSING_PATH;
        assert_copies(2);
}

/* ---- keys ---- */

/* Swift does not know such tokens, but it checks the signature over all that is signed: what is changed on
 * the way would not matter to it if it were not there, or not signed. */
static void a_session_token_is_sent_and_signed(void **state)
{
        struct fault flipped = { .flip = "session-token-of-the-moment" };
        _cleanup_failure_ failure = {};

        root_write(root, "etc/s3/session",
                   "aws_access_key_id=" SWIFT_KEY "\naws_secret_access_key=" SWIFT_SECRET
                   "\naws_session_token=session-token-of-the-moment\n",
                   0600);
        target.s3.credentials_file = (char *)"/etc/s3/session";
        {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_put(store, "cp-0", 1000);
        }
        assert_copies(1);
        proxy.fault = &flipped;
        {
                _cleanup_(store_closep) struct store *store = open_store();

                assert_int_equal(put(store, "cp-0", 1000, &failure), -EACCES);
                assert_string_equal(failure.reason, "CredentialsRefused");
        }
        proxy.fault = NULL;
}

static void keys_are_read_anew_by_each_run(void **state)
{
        static const struct {
                const char *secret;
                int error;
        } runs[] = { { "old-and-revoked", -EACCES }, { SWIFT_SECRET, 0 } };

        target.s3.credentials_file = (char *)"/etc/s3/rotated";
        for (size_t i = 0; i < ELEMENTS(runs); i++) {
                _cleanup_(store_closep) struct store *store = NULL;
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, "aws_access_key_id=" SWIFT_KEY "\naws_secret_access_key=%s\n",
                                     runs[i].secret) > 0);
                root_write(root, "etc/s3/rotated", text, 0600);
                store = open_store();
                assert_int_equal(put(store, "cp-0", 1000, NULL), runs[i].error);
        }
}

/* ---- slow ones ---- */

static void a_part_that_comes_to_a_stand_is_sent_again_alone(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = {
                .method = "PUT", .match = "partNumber=2", .body_bytes = 300000, .stall = true, .times = 1
        };

        proxy.fault = &fault;
        assert_put(store, "cp-0", LARGE);
        assert_int_equal(atomic_load(&fault.seen), 2);
        proxy.fault = NULL;
        assert_copies(1);
}

static void a_fetch_that_comes_to_a_stand_begins_anew(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "GET",
                               .match = ".tar.zst",
                               .skip = 1, /* the manifest */
                               .times = 1,
                               .cut_answer = true,
                               .body_bytes = 500000,
                               .stall = true };
        _cleanup_copies_ copies = {};
        _cleanup_close_ int fd = -EBADF;

        assert_put(store, "cp-0", LARGE / 2);
        proxy.fault = &fault;
        assert_int_equal(store_list(store, "c", NULL, &copies, NULL), 0);
        assert_int_equal(store_fetch(store, &copies.items[0], root, &fd, NULL), 0);
        assert_int_equal(stored_bytes_match(fd, copies.items[0].manifest, NULL, NULL), 0);
        assert_int_equal(atomic_load(&fault.seen), 3);
}

static void a_server_that_sends_more_than_was_stored_does_not_fill_the_disk(void **state)
{
        static const char more[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                                   "0123456789012345678901234567890123456789";
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "GET", .answer = more };
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};
        int fd;

        assert_put(store, "cp-0", 30);
        assert_int_equal(store_list(store, "c", NULL, &copies, NULL), 0);
        proxy.fault = &fault;
        assert_int_equal(store_fetch(store, &copies.items[0], root, &fd, &failure), -EBADMSG);
        assert_string_equal(failure.reason, "StoredDifferently");
        assert_non_null(strstr(failure.message, "30 bytes"));
}

static void a_storm_that_does_not_end_is_given_up_after_a_few_tries(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .answer = ERROR_ANSWER("503 Service Unavailable", "SlowDown",
                                                      "Please reduce your request rate.") };
        _cleanup_failure_ failure = {};

        proxy.fault = &fault;
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EBUSY);
        assert_string_equal(failure.reason, "TargetFailing");
        assert_true(atomic_load(&fault.seen) <= 6);
        /* And all requests of a run together do not try for ever. */
        for (unsigned i = 0; i < 6; i++)
                assert_int_equal(put(store, "cp-0", 1000, NULL), -EBUSY);
        assert_true(atomic_load(&fault.seen) <= 30 + 7);
        proxy.fault = NULL;
        assert_copies(0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, s3_target_begin, stop_tinyproxy)
        static const struct CMUnitTest tests[] = {
                TEST(a_proxy_forwards_what_goes_to_a_plain_endpoint),
                TEST(a_tunnel_through_a_proxy_ends_at_the_server_whose_authority_is_pinned),
                TEST(a_proxy_that_refuses_is_named),
                TEST(a_proxy_gets_the_user_and_password_of_the_credentials_file),
                TEST(a_password_that_the_proxy_refuses_is_the_cause_at_once_and_in_no_message),
                TEST(what_the_server_refuses_behind_a_proxy_is_not_the_proxys),
                TEST(a_user_without_a_password_is_refused),
                TEST(a_proxy_that_is_not_there_is_named_and_nothing_goes_past_it),
                TEST(the_environments_proxy_is_not_used),
                TEST(the_bucket_may_stand_in_the_host_name),
                TEST(a_session_token_is_sent_and_signed),
                TEST(keys_are_read_anew_by_each_run),
                TEST(a_part_that_comes_to_a_stand_is_sent_again_alone),
                TEST(a_fetch_that_comes_to_a_stand_begins_anew),
                TEST(a_server_that_sends_more_than_was_stored_does_not_fill_the_disk),
                TEST(a_storm_that_does_not_end_is_given_up_after_a_few_tries),
        };

        return cmocka_run_group_tests(tests, s3_target_set_up, s3_target_tear_down);
}
