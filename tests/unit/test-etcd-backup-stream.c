/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "snapshot-stream.h"

static struct snapshot_stream stream;
static struct failure failure;

static int set_up(void **state)
{
        return snapshot_stream_init(&stream);
}

static int tear_down(void **state)
{
        snapshot_stream_clear(&stream);
        failure_clear(&failure);
        return 0;
}

/* A SnapshotResponse as etcd sends it: a remaining_bytes of 0 is left out. */
static int take(uint8_t remaining, const void *blob, uint8_t size)
{
        uint8_t bytes[128];
        struct snapshot_message message;
        size_t n = 0;

        if (remaining > 0) {
                bytes[n++] = 0x10;
                bytes[n++] = remaining;
        }
        bytes[n++] = 0x1a;
        bytes[n++] = size;
        memcpy(bytes + n, blob, size);
        return snapshot_stream_take(&stream, bytes, n + size, &message, &failure);
}

static void hash_of(const char *text, uint8_t digest[static SHA256_SIZE])
{
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;

        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(hasher_add(hasher, text, strlen(text)), 0);
        assert_int_equal(hasher_finish(hasher, digest), 0);
}

static void proves_a_whole_stream(void **state)
{
        uint8_t digest[SHA256_SIZE], whole[6 + SHA256_SIZE] = "abcdef", expected[SHA256_SIZE],
                                               found[SHA256_SIZE];
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;

        hash_of("abcdef", digest);
        assert_int_equal(take(2, "abcd", 4), 0);
        assert_int_equal(stream.total, 6);
        assert_int_equal(take(0, "ef", 2), 0);
        assert_false(stream.proven);
        assert_int_equal(take(0, digest, SHA256_SIZE), 0);
        assert_true(stream.proven);

        memcpy(whole + 6, digest, SHA256_SIZE);
        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(hasher_add(hasher, whole, sizeof(whole)), 0);
        assert_int_equal(hasher_finish(hasher, expected), 0);
        assert_int_equal(snapshot_stream_finish(&stream, found, &failure), 0);
        assert_memory_equal(found, expected, SHA256_SIZE);
}

static void finds_one_changed_byte(void **state)
{
        uint8_t digest[SHA256_SIZE];

        hash_of("abcdef", digest);
        assert_int_equal(take(2, "abcd", 4), 0);
        assert_int_equal(take(0, "eg", 2), 0);
        assert_int_equal(take(0, digest, SHA256_SIZE), -EBADMSG);
        assert_string_equal(failure.reason, "HashMismatch");
}

static void does_not_take_an_end_for_a_proof(void **state)
{
        uint8_t digest[SHA256_SIZE];

        assert_int_equal(snapshot_stream_finish(&stream, digest, &failure), -EBADMSG);
        assert_int_equal(take(0, "abcdef", 6), 0);
        assert_int_equal(snapshot_stream_finish(&stream, digest, &failure), -EBADMSG);
        assert_string_equal(failure.reason, "StreamBroken");
}

static void refuses_sizes_that_do_not_add_up(void **state)
{
        assert_int_equal(take(9, "abc", 3), 0);
        assert_int_equal(take(9, "def", 3), -EBADMSG);
        assert_string_equal(failure.reason, "StreamInvalid");
}

static void refuses_more_than_was_announced(void **state)
{
        assert_int_equal(take(1, "abc", 3), 0);
        assert_int_equal(take(0, "de", 2), -EBADMSG);
}

static void refuses_a_hash_of_another_length(void **state)
{
        assert_int_equal(take(0, "abc", 3), 0);
        assert_int_equal(take(0, "0123456789", 10), -EBADMSG);
}

static void refuses_anything_behind_the_hash(void **state)
{
        uint8_t digest[SHA256_SIZE];

        hash_of("abc", digest);
        assert_int_equal(take(0, "abc", 3), 0);
        assert_int_equal(take(0, digest, SHA256_SIZE), 0);
        assert_int_equal(take(0, digest, SHA256_SIZE), -EBADMSG);
}

static void breaks_off_a_flood_of_empty_messages(void **state)
{
        unsigned n = 0;

        assert_int_equal(take(100, "abc", 3), 0);
        while (take(100, "", 0) == 0)
                assert_true(++n < 1000);
        assert_string_equal(failure.reason, "StreamInvalid");
}

static void refuses_what_is_not_protobuf(void **state)
{
        struct snapshot_message message;

        assert_int_equal(snapshot_stream_take(&stream, (uint8_t[]){ 0x1a, 0x7f, 0 }, 3, &message, &failure),
                         -EBADMSG);
        assert_int_equal(snapshot_stream_take(&stream, (uint8_t[]){ 0x18, 0x01 }, 2, &message, &failure),
                         -EBADMSG);
}

#define STREAM_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STREAM_TEST(proves_a_whole_stream),
                STREAM_TEST(finds_one_changed_byte),
                STREAM_TEST(does_not_take_an_end_for_a_proof),
                STREAM_TEST(refuses_sizes_that_do_not_add_up),
                STREAM_TEST(refuses_more_than_was_announced),
                STREAM_TEST(refuses_a_hash_of_another_length),
                STREAM_TEST(refuses_anything_behind_the_hash),
                STREAM_TEST(breaks_off_a_flood_of_empty_messages),
                STREAM_TEST(refuses_what_is_not_protobuf),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
