/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "archive.h"
#include "etcd-copy.h"
#include "verify.h"

static int examine(const struct bytes *bytes, struct archive_facts *ret, struct failure *failure)
{
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes->data, bytes->size), (ssize_t)bytes->size);
        return archive_examine(fd, NULL, NULL, NULL, ret, failure);
}

static void holds_what_was_put_in(void **state)
{
        static const size_t sizes[] = { 1, 480, 512, 513, 4096, 300000 };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
                _cleanup_(bytes_clear) struct bytes bytes = {};
                _cleanup_facts_ facts = {};
                _cleanup_failure_ failure = {};

                make_archive(manifest, sizes[i], &bytes);
                assert_int_equal(manifest->stored_size, bytes.size);
                assert_int_equal(examine(&bytes, &facts, &failure), 0);
                assert_int_equal(facts.raw_size, sizes[i] + SHA256_SIZE);
                assert_int_equal(archive_facts_match(&facts, manifest, &failure), 0);
        }
}

static void every_changed_byte_is_found(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes bytes = {};

        make_archive(manifest, 700, &bytes);
        for (size_t i = 0; i < bytes.size; i++) {
                _cleanup_facts_ facts = {};
                _cleanup_failure_ failure = {};
                int r;

                bytes.data[i] ^= 0x10;
                r = examine(&bytes, &facts, &failure);
                if (r >= 0)
                        r = archive_facts_match(&facts, manifest, &failure);
                bytes.data[i] ^= 0x10;
                assert_int_equal(r, -EBADMSG);
                assert_non_null(failure.message);
        }
}

static void every_truncation_is_found(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes bytes = {};
        size_t whole;

        make_archive(manifest, 700, &bytes);
        whole = bytes.size;
        for (bytes.size = 0; bytes.size < whole; bytes.size++) {
                _cleanup_facts_ facts = {};
                _cleanup_failure_ failure = {};

                assert_int_equal(examine(&bytes, &facts, &failure), -EBADMSG);
        }
        bytes.size = whole;
}

static void bytes_behind_the_end_are_found(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes bytes = {};
        _cleanup_facts_ facts = {};
        _cleanup_failure_ failure = {};

        make_archive(manifest, 700, &bytes);
        bytes_append("x", 1, &bytes);
        assert_int_equal(examine(&bytes, &facts, &failure), -EBADMSG);
}

static void a_manifest_of_another_copy_is_found(void **state)
{
        _cleanup_(manifest_freep) struct manifest *one = sample_manifest("c", "n", 1),
                                                  *two = sample_manifest("c", "n", 2);
        _cleanup_(bytes_clear) struct bytes first = {}, second = {};
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};

        make_archive(one, 700, &first);
        make_archive(two, 700, &second);
        assert_int_equal(examine(&first, &facts, &failure), 0);
        assert_int_equal(archive_facts_match(&facts, two, &failure), -EBADMSG);
        one->revision++;
        assert_int_equal(archive_facts_match(&facts, one, &failure), -EBADMSG);
        assert_string_equal(failure.reason, "ManifestChanged");
}

static void a_member_must_be_as_long_as_announced(void **state)
{
        _cleanup_(archive_writer_freep) struct archive_writer *writer = NULL;
        _cleanup_(bytes_clear) struct bytes bytes = {};

        assert_int_equal(archive_writer_new(bytes_append, &bytes, &writer), 0);
        assert_int_equal(archive_begin(writer, "a", 3, 0), 0);
        assert_int_equal(archive_add(writer, "four", 4), -EINVAL);
        assert_int_equal(archive_add(writer, "tw", 2), 0);
        assert_int_equal(archive_finish(writer), -EINVAL);
}

static int refuse_space(const void *data, size_t size, void *userdata)
{
        return -ENOSPC;
}

static void a_full_sink_ends_the_writing(void **state)
{
        _cleanup_(archive_writer_freep) struct archive_writer *writer = NULL;

        assert_int_equal(archive_writer_new(refuse_space, NULL, &writer), 0);
        assert_int_equal(archive_begin(writer, "a", 1, 0), 0);
        assert_int_equal(archive_add(writer, "x", 1), 0);
        assert_int_equal(archive_finish(writer), -ENOSPC);
}

static uint64_t big_size;

static int take_big(const char *name, uint64_t size, void *userdata)
{
        big_size = size;
        return -ECANCELED;
}

static void sizes_above_8_gib_survive(void **state)
{
        static const uint64_t sizes[] = { (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33, UINT64_C(123) << 40 };
        const struct archive_handler handler = { .begin = take_big };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(archive_writer_freep) struct archive_writer *writer = NULL;
                _cleanup_(archive_reader_freep) struct archive_reader *reader = NULL;
                _cleanup_free_ uint8_t *filling = calloc(1, 1 << 20);
                _cleanup_(bytes_clear) struct bytes bytes = {};
                int r = 0;

                assert_int_equal(archive_writer_new(bytes_append, &bytes, &writer), 0);
                assert_int_equal(archive_begin(writer, "big", sizes[i], 0), 0);
                while (bytes.size == 0)
                        assert_int_equal(archive_add(writer, filling, 1 << 20), 0);
                assert_int_equal(archive_reader_new(&handler, &reader), 0);
                r = archive_feed(reader, bytes.data, bytes.size, NULL);
                assert_int_equal(r, -ECANCELED);
                assert_true(big_size == sizes[i]);
        }
}

static bool always(void *userdata)
{
        return true;
}

static void an_interrupt_ends_the_examination(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_(bytes_clear) struct bytes bytes = {};
        const struct interrupt interrupt = { always };
        _cleanup_facts_ facts = {};

        make_archive(manifest, 700, &bytes);
        assert_int_equal(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
        assert_int_equal(archive_examine(fd, NULL, NULL, &interrupt, &facts, NULL), -ECANCELED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holds_what_was_put_in),
                cmocka_unit_test(every_changed_byte_is_found),
                cmocka_unit_test(every_truncation_is_found),
                cmocka_unit_test(bytes_behind_the_end_are_found),
                cmocka_unit_test(a_manifest_of_another_copy_is_found),
                cmocka_unit_test(a_member_must_be_as_long_as_announced),
                cmocka_unit_test(a_full_sink_ends_the_writing),
                cmocka_unit_test(sizes_above_8_gib_survive),
                cmocka_unit_test(an_interrupt_ends_the_examination),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
