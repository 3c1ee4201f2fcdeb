/* SPDX-License-Identifier: Apache-2.0 */

/* Copies at a real S3 server, and what it takes when that fails. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "program.h"
#include "quantity.h"
#include "s3-upload.h"
#include "s3-target.h"
#include "timestamp.h"
#include "verify.h"

#define LARGE (20 * 1024 * 1024) /* two parts */

/* What the node's clock is off by. */
static int64_t clock_offset_usec;
uint64_t __real_now_realtime_usec(void);
uint64_t __wrap_now_realtime_usec(void);
uint64_t __wrap_now_realtime_usec(void)
{
        return (uint64_t)((int64_t)__real_now_realtime_usec() + clock_offset_usec);
}

static int begin(void **state)
{
        clock_offset_usec = 0;
        return s3_target_begin(state);
}

/* ---- what it does ---- */

static void copies_come_back_as_they_went_through_tls_of_a_private_authority(void **state)
{
        static const size_t sizes[] = { 1000, LARGE };

        target.s3.endpoint = swift.endpoint;
        target.s3.ca_file = (char *)SWIFT_CA;
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(store_closep) struct store *store = open_store();
                _cleanup_failure_ failure = {};
                _cleanup_copies_ copies = {};
                _cleanup_close_ int fd = -EBADF;

                assert_put(store, "cp-0", sizes[i]);
                assert_int_equal(store_list(store, "c", "cp-0", &copies, NULL), 0);
                assert_int_equal(copies.count, i + 1);
                assert_int_equal(copies.items[0].manifest->stored_size, sizes[i]);
                assert_int_equal(store_fetch(store, &copies.items[0], root, &fd, NULL), 0);
                if (stored_bytes_match(fd, copies.items[0].manifest, NULL, &failure) < 0)
                        fail_msg("%s", failure.message);
        }
        assert_int_equal(count_objects(), 4);
}

static void a_server_of_another_authority_is_refused(void **state)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_failure_ failure = {};

        target.s3.endpoint = swift.endpoint;
        target.s3.ca_file = (char *)SWIFT_OTHER_CA;
        store = open_store();
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EKEYREJECTED);
        assert_string_equal(failure.reason, "CertificateRefused");
        assert_non_null(strstr(failure.message, "target offsite"));
        assert_non_null(strstr(failure.message, "caFile"));
}

static void lists_the_copies_of_all_nodes_over_several_pages(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_(s3_closep) struct s3 *s3 = NULL;
        _cleanup_copies_ one = {}, all = {};

        for (unsigned i = 0; i < 6; i++)
                assert_put(store, i < 4 ? "cp-0" : "cp-1", 100);
        assert_int_equal(s3_open(&target.s3, root, NULL, &s3, NULL), 0);
        assert_int_equal(store_list(store, "c", NULL, &all, NULL), 0);
        assert_int_equal(all.count, 6);
        assert_string_equal(all.items[4].manifest->node, "cp-1");
        assert_int_equal(store_list(store, "c", "cp-1", &one, NULL), 0);
        assert_int_equal(one.count, 2);
        assert_true(one.items[0].manifest->sequence > one.items[1].manifest->sequence);

        assert_int_equal(store_remove(store, &one.items[0], NULL), 0);
        assert_int_equal(store_remove(store, &one.items[0], NULL), 0);
        assert_copies(5);
}

static void a_run_asks_for_each_manifest_once(void **state)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_copies_ first = {}, again = {}, less = {};
        unsigned before;

        {
                _cleanup_(store_closep) struct store *earlier = open_store();

                for (unsigned i = 0; i < 3; i++)
                        assert_put(earlier, "cp-0", 100);
        }
        store = open_store();
        before = atomic_load(&proxy.requests);
        assert_int_equal(store_list(store, "c", NULL, &first, NULL), 0);
        assert_int_equal(first.count, 3);
        assert_int_equal(atomic_load(&proxy.requests) - before, 2 + 3); /* two pages */
        assert_int_equal(store_list(store, "c", NULL, &again, NULL), 0);
        assert_int_equal(again.count, 3);
        assert_int_equal(atomic_load(&proxy.requests) - before, 2 + 3 + 2);
        assert_int_equal(store_remove(store, &again.items[0], NULL), 0);
        assert_int_equal(store_list(store, "c", NULL, &less, NULL), 0);
        assert_int_equal(less.count, 2);
}

static void what_is_not_ours_is_never_listed_nor_removed(void **state)
{
        static const char *const foreign[] = { "etcd-notes.txt",
                                               "etcd-c-cp-0.manifest.json",
                                               "etcd-c-cp-0-20261121T100000Z-r7.tar.zst.manifest.json",
                                               "etcd-other-cp-0-20261121T100000Z-r7.tar.zst",
                                               "etcd-c-cp-1-20261121T100000Z-r7.tar.zst",
                                               "sub/etcd-c-cp-0-20261121T100000Z-r7.tar.zst" };
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_(s3_closep) struct s3 *s3 = NULL;

        assert_int_equal(s3_open(&target.s3, root, NULL, &s3, NULL), 0);
        for (size_t i = 0; i < ELEMENTS(foreign); i++) {
                _cleanup_free_ char *key = NULL;

                assert_true(asprintf(&key, "%s%s", target.s3.prefix, foreign[i]) > 0);
                assert_int_equal(s3_put_text(s3, key, "something", NULL), 0);
        }
        assert_copies(0);
        assert_int_equal(store_sweep(store, "c", "cp-0", NULL), 0);
        assert_int_equal(count_objects(), ELEMENTS(foreign));
}

static void putting_a_copy_again_changes_nothing_and_another_of_its_name_is_refused(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_close_ int fd = make_copy("cp-0", 1000, &manifest);
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_failure_ failure = {};

        assert_int_equal(store_put(store, fd, manifest, NULL), 0);
        assert_int_equal(store_put(store, fd, manifest, NULL), 0);
        manifest->stored_sha256[0] ^= 1;
        assert_int_equal(store_put(store, fd, manifest, &failure), -EEXIST);
        assert_string_equal(failure.reason, "NameTaken");
        assert_copies(1);
}

static void a_copy_that_is_not_encrypted_stays_here_unless_that_is_allowed(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_failure_ failure = {};

        target.allow_plaintext = false;
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EPERM);
        assert_string_equal(failure.reason, "PlaintextNotAllowed");
        assert_int_equal(count_objects(), 0);
}

static void a_local_copy_that_was_damaged_does_not_get_there(void **state)
{
        static const size_t sizes[] = { 1000, LARGE };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(manifest_freep) struct manifest *manifest = NULL;
                _cleanup_close_ int fd = make_copy("cp-0", sizes[i], &manifest);
                _cleanup_(store_closep) struct store *store = open_store();
                _cleanup_failure_ failure = {};

                manifest->stored_sha256[0] ^= 1;
                assert_int_equal(store_put(store, fd, manifest, &failure), -EBADMSG);
                assert_string_equal(failure.reason, "LocalCopyDamaged");
        }
        assert_int_equal(count_objects(), 0);
}

static void the_sweep_removes_own_orphans_and_aborts_own_uploads_only(void **state)
{
        static const struct sigv4_field query[] = { { "uploads", "" }, {} };
        static const char *const names[] = { "etcd-c-cp-0-20261121T100000Z-r7.tar.zst",
                                             "etcd-c-cp-0-20261121T100001Z-r8.tar.zst.age",
                                             "etcd-c-cp-0-2-20261121T100000Z-r7.tar.zst" };
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_(s3_closep) struct s3 *s3 = NULL;

        assert_put(store, "cp-0", 1000);
        assert_int_equal(s3_open(&target.s3, root, NULL, &s3, NULL), 0);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_free_ char *key = NULL;
                _cleanup_s3_answer_ answer = {};

                assert_true(asprintf(&key, "%s%s", target.s3.prefix, names[i]) > 0);
                assert_int_equal(
                        s3_exchange(s3, &(struct s3_request){ .method = "POST", .key = key, .query = query },
                                    &answer, NULL),
                        0);
                assert_int_equal(s3_put_text(s3, key, "half", NULL), 0);
        }
        assert_int_equal(count_objects(), 8);
        assert_int_equal(store_sweep(store, "c", "cp-0", NULL), 4);
        assert_int_equal(count_objects(), 4);
        assert_copies(1);
}

/* ---- what it survives ---- */

static void assert_fails(const char *method, const char *answer, int error, const char *reason)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = method, .answer = answer };
        _cleanup_failure_ failure = {};

        proxy.fault = &fault;
        assert_int_equal(put(store, "cp-0", 1000, &failure), error);
        assert_string_equal(failure.reason, reason);
        assert_non_null(strstr(failure.message, "target offsite: cannot store the copy: "));
        assert_null(strstr(failure.message, SWIFT_SECRET));
        assert_int_equal(atomic_load(&fault.seen), 1); /* no use in trying again */
        proxy.fault = NULL;
        assert_copies(0);
}

static void a_refusal_is_told_with_its_remedy_and_not_tried_again(void **state)
{
        assert_fails("PUT", ERROR_ANSWER("403 Forbidden", "AccessDenied", "Access Denied"), -EACCES,
                     "AccessDenied");
        assert_fails("PUT",
                     ERROR_ANSWER("400 Bad Request", "ExpiredToken", "The provided token has expired."),
                     -EACCES, "CredentialsExpired");
        assert_fails("GET", ERROR_ANSWER("404 Not Found", "NoSuchBucket", "no such bucket"), -ENODEV,
                     "NoSuchBucket");
        assert_fails("PUT", ERROR_ANSWER("403 Forbidden", "QuotaExceeded", "full"), -ENOSPC, "TargetFull");
}

static void wrong_keys_are_told(void **state)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_failure_ failure = {};

        root_write(root, "etc/s3/wrong", "aws_access_key_id=test:tester\naws_secret_access_key=wrong\n",
                   0600);
        target.s3.credentials_file = (char *)"/etc/s3/wrong";
        store = open_store();
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EACCES);
        assert_string_equal(failure.reason, "CredentialsRefused");
}

static void credentials_that_others_can_read_are_refused(void **state)
{
        _cleanup_failure_ failure = {};
        struct store *store;

        root_write(root, "etc/s3/open", "aws_access_key_id=a\naws_secret_access_key=geheim\n", 0644);
        target.s3.credentials_file = (char *)"/etc/s3/open";
        assert_int_equal(store_open(&target, root, NULL, &store, &failure), -EPERM);
        assert_non_null(strstr(failure.message, "chmod 0600"));
        root_write(root, "etc/s3/open", "aws_access_key_id=a\naws_secret_access_key=ge heim\n", 0600);
        assert_int_equal(store_open(&target, root, NULL, &store, &failure), -EINVAL);
        assert_null(strstr(failure.message, "heim"));
}

static void a_storm_of_5xx_is_ridden_out(void **state)
{
        static const char *const storms[] = {
                ERROR_ANSWER("503 Service Unavailable", "SlowDown", "Please reduce your request rate."),
                ERROR_ANSWER("500 Internal Server Error", "InternalError", "oops"),
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<html",
        };

        for (size_t i = 0; i < ELEMENTS(storms); i++) {
                _cleanup_(store_closep) struct store *store = open_store();
                struct fault fault = { .answer = storms[i], .times = 2 };

                proxy.fault = &fault;
                assert_put(store, "cp-0", 1000);
                assert_true(atomic_load(&fault.seen) > 2);
                proxy.fault = NULL;
        }
        assert_copies(3);
}

static void a_part_whose_connection_is_cut_is_sent_again_alone(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "PUT", .match = "partNumber=", .body_bytes = 300000, .times = 2 };

        proxy.fault = &fault;
        assert_put(store, "cp-0", LARGE);
        assert_int_equal(atomic_load(&fault.seen), 4); /* of two parts */
        proxy.fault = NULL;
        assert_copies(1);
        assert_int_equal(count_objects(), 2);
}

static void an_upload_that_fails_is_aborted(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "PUT",
                               .match = "partNumber=2",
                               .answer = ERROR_ANSWER("403 Forbidden", "AccessDenied", "no") };
        _cleanup_failure_ failure = {};

        proxy.fault = &fault;
        assert_int_equal(put(store, "cp-0", LARGE, &failure), -EACCES);
        proxy.fault = NULL;
        assert_int_equal(count_objects(), 0);
}

static void an_error_within_a_200_on_complete_is_an_error(void **state)
{
        static const char answer[] =
                ERROR_ANSWER("200 OK", "InternalError", "We encountered an internal error.");
        _cleanup_(store_closep) struct store *store = open_store(), *other = open_store();
        struct fault once = { .method = "POST", .match = "uploadId=", .answer = answer, .times = 1 },
                     always = { .method = "POST",
                                .match = "uploadId=",
                                .answer = ERROR_ANSWER("200 OK", "AccessDenied", "not any more") };
        _cleanup_failure_ failure = {};

        proxy.fault = &always;
        assert_true(put(store, "cp-0", LARGE, &failure) < 0);
        assert_non_null(strstr(failure.message, "AccessDenied"));
        assert_int_equal(count_objects(), 0);
        proxy.fault = &once;
        assert_put(other, "cp-0", LARGE);
        assert_int_equal(atomic_load(&once.seen), 2);
        assert_copies(1);
}

static void a_complete_whose_answer_was_lost_is_known_by_its_object(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "POST", .match = "uploadId=", .lose_answer = true, .times = 1 };

        proxy.fault = &fault;
        assert_put(store, "cp-0", LARGE);
        proxy.fault = NULL;
        assert_copies(1);
        assert_int_equal(count_objects(), 2);
}

static void what_the_server_stored_differently_is_no_copy(void **state)
{
        static const char wrong_etag[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
                                         "ETag: \"00000000000000000000000000000000\"\r\n\r\n",
                          shorter[] = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n"
                                      "ETag: \"opaque\"\r\n\r\n";
        static const struct fault lies[] = {
                { .method = "PUT", .match = ".tar.zst", .answer = wrong_etag },
                { .method = "PUT", .match = "partNumber=2", .answer = wrong_etag },
                { .method = "HEAD", .answer = wrong_etag },
                { .method = "HEAD", .answer = shorter },
        };

        for (size_t i = 0; i < ELEMENTS(lies); i++) {
                _cleanup_(store_closep) struct store *store = open_store();
                struct fault lie = { .method = lies[i].method,
                                     .match = lies[i].match,
                                     .answer = lies[i].answer };
                _cleanup_failure_ failure = {};

                proxy.fault = &lie;
                assert_int_equal(put(store, "cp-0", i == 1 ? LARGE : 1000, &failure), -EBADMSG);
                assert_string_equal(failure.reason, "StoredDifferently");
                proxy.fault = NULL;
                assert_int_equal(count_objects(), 0);
        }
}

static void a_listing_that_is_cut_is_not_taken_for_the_whole(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "GET",
                               .match = "list-type=2",
                               .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                                         "<ListBucketResult><IsTruncated>false</IsTruncated>" };
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};

        assert_put(store, "cp-0", 1000);
        proxy.fault = &fault;
        assert_int_equal(store_list(store, "c", NULL, &copies, &failure), -EBADMSG);
        assert_string_equal(failure.reason, "BadListing");
}

static void a_fetch_that_is_cut_begins_anew(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = { .method = "GET",
                               .match = ".tar.zst",
                               .skip = 1,
                               .times = 1,
                               .cut_answer = true,
                               .body_bytes = 500000 };
        _cleanup_copies_ copies = {};
        _cleanup_close_ int fd = -EBADF;

        assert_put(store, "cp-0", LARGE / 2);
        proxy.fault = &fault;
        assert_int_equal(store_list(store, "c", NULL, &copies, NULL), 0);
        assert_int_equal(store_fetch(store, &copies.items[0], root, &fd, NULL), 0);
        assert_int_equal(stored_bytes_match(fd, copies.items[0].manifest, NULL, NULL), 0);
        assert_int_equal(atomic_load(&fault.seen), 3);
}

static void a_clock_that_is_wrong_is_corrected_once_by_the_servers(void **state)
{
        static const int64_t offsets[] = { -2 * (int64_t)USEC_PER_HOUR, 26 * (int64_t)USEC_PER_HOUR };

        for (size_t i = 0; i < ELEMENTS(offsets); i++) {
                _cleanup_(store_closep) struct store *store = open_store();

                clock_offset_usec = offsets[i];
                assert_put(store, "cp-0", 1000);
                assert_non_null(store_remark(store));
                assert_non_null(strstr(store_remark(store), i == 0 ? "2h behind" : "1d 2h ahead"));
        }
        clock_offset_usec = 0;
        assert_copies(2);
}

static void an_object_lock_that_forbids_removal_is_told(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct fault fault = {
                .method = "DELETE",
                .answer = ERROR_ANSWER("403 Forbidden", "AccessDenied",
                                       "Access Denied because object protected by object lock.")
        };
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};

        assert_put(store, "cp-0", 1000);
        assert_int_equal(store_list(store, "c", NULL, &copies, NULL), 0);
        proxy.fault = &fault;
        assert_int_equal(store_remove(store, &copies.items[0], &failure), -EPERM);
        assert_string_equal(failure.reason, "ObjectLocked");
        proxy.fault = NULL;
        assert_copies(1);
}

static void a_server_that_is_not_there_is_told(void **state)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_failure_ failure = {};

        target.s3.endpoint = (char *)"http://127.0.0.1:1";
        store = open_store();
        assert_int_equal(put(store, "cp-0", 1000, &failure), -EHOSTUNREACH);
        assert_string_equal(failure.reason, "TargetUnreachable");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, begin)
        static const struct CMUnitTest tests[] = {
                TEST(copies_come_back_as_they_went_through_tls_of_a_private_authority),
                TEST(a_server_of_another_authority_is_refused),
                TEST(lists_the_copies_of_all_nodes_over_several_pages),
                TEST(a_run_asks_for_each_manifest_once),
                TEST(what_is_not_ours_is_never_listed_nor_removed),
                TEST(putting_a_copy_again_changes_nothing_and_another_of_its_name_is_refused),
                TEST(a_copy_that_is_not_encrypted_stays_here_unless_that_is_allowed),
                TEST(a_local_copy_that_was_damaged_does_not_get_there),
                TEST(the_sweep_removes_own_orphans_and_aborts_own_uploads_only),
                TEST(a_refusal_is_told_with_its_remedy_and_not_tried_again),
                TEST(wrong_keys_are_told),
                TEST(credentials_that_others_can_read_are_refused),
                TEST(a_storm_of_5xx_is_ridden_out),
                TEST(a_part_whose_connection_is_cut_is_sent_again_alone),
                TEST(an_upload_that_fails_is_aborted),
                TEST(an_error_within_a_200_on_complete_is_an_error),
                TEST(a_complete_whose_answer_was_lost_is_known_by_its_object),
                TEST(what_the_server_stored_differently_is_no_copy),
                TEST(a_listing_that_is_cut_is_not_taken_for_the_whole),
                TEST(a_fetch_that_is_cut_begins_anew),
                TEST(a_clock_that_is_wrong_is_corrected_once_by_the_servers),
                TEST(an_object_lock_that_forbids_removal_is_told),
                TEST(a_server_that_is_not_there_is_told),
        };

        return cmocka_run_group_tests(tests, s3_target_set_up, s3_target_tear_down);
}
