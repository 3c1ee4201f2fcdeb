/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "crc32c.h"
#include "etcd-copy.h"
#include "files.h"
#include "seal.h"
#include "verify.h"

#define IDENTITY  "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

/* A sealed archive with the manifest that names it. */
static struct seal *seal_archive(struct manifest *manifest, struct bytes *ret)
{
        const struct config_strings recipients = { .items = (char *[]){ (char *)RECIPIENT }, .count = 1 };
        _cleanup_(bytes_clear) struct bytes archive = {};
        struct seal *seal;

        make_archive(manifest, 200000, &archive);
        assert_int_equal(seal_new(&recipients, bytes_append, ret, &seal), 0);
        assert_int_equal(seal_add(archive.data, archive.size, seal), 0);
        assert_int_equal(seal_finish(seal), 0);
        manifest_take_stored(manifest, ret);
        return seal;
}

static int memory_file(const struct bytes *bytes)
{
        int fd = memfd_create("sealed", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes->data, bytes->size), (ssize_t)bytes->size);
        return fd;
}

static int prove(const struct bytes *bytes, const struct age_opener *opener, const struct manifest *manifest,
                 struct failure *failure)
{
        _cleanup_close_ int fd = memory_file(bytes);
        _cleanup_facts_ facts = {};
        int r;

        r = archive_examine(fd, opener, NULL, NULL, &facts, failure);
        return r < 0 ? r : archive_facts_match(&facts, manifest, failure);
}

static void the_writer_proves_what_it_sealed(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes sealed = {};
        _cleanup_(seal_freep) struct seal *seal = seal_archive(manifest, &sealed);
        _cleanup_identities_ identities = {};
        _cleanup_failure_ failure = {};

        assert_int_equal(manifest->stored_size, sealed.size);
        assert_int_equal(prove(&sealed, seal_opener(seal), manifest, &failure), 0);
        assert_int_equal(age_identities_parse(IDENTITY, &identities, &failure), 0);
        assert_int_equal(prove(&sealed, &(struct age_opener){ .identities = &identities }, manifest,
                               &failure),
                         0);
}

static void the_writer_finds_what_the_disk_changed(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes sealed = {};
        _cleanup_(seal_freep) struct seal *seal = seal_archive(manifest, &sealed);

        for (size_t at = 0; at < sealed.size; at += 97) {
                _cleanup_close_ int fd = -EBADF;
                _cleanup_failure_ failure = {};

                sealed.data[at] ^= 1;
                fd = memory_file(&sealed);
                assert_int_equal(stored_bytes_match(fd, manifest, NULL, &failure), -EBADMSG);
                assert_int_equal(prove(&sealed, seal_opener(seal), manifest, &failure), -EBADMSG);
                sealed.data[at] ^= 1;
        }
        sealed.size--;
        assert_int_equal(prove(&sealed, seal_opener(seal), manifest, NULL), -EBADMSG);
}

static int scratch_file(const char *directory, const struct bytes *bytes)
{
        int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write_all(fd, bytes->data, bytes->size), 0);
        return fd;
}

/* On a disk, which is read past the page cache, and where there is none; of sizes about the reads'. */
static void what_was_written_is_proven_by_its_checksum(void **state)
{
        static const char *const directories[] = { "/var/tmp", "/dev/shm" };
        static const size_t sizes[] = { 0, 1, 4096, 1048575, 1048576, 1048577, 3000000 };
        _cleanup_free_ uint8_t *data = malloc(3000001);

        for (size_t i = 0; i <= 3000000; i++)
                data[i] = (uint8_t)(i * i >> 7);
        for (size_t i = 0; i < ELEMENTS(directories) * ELEMENTS(sizes); i++) {
                size_t size = sizes[i / ELEMENTS(directories)], n = size + 1;
                uint32_t crc = crc32c(0, data, size);
                _cleanup_close_ int fd = scratch_file(directories[i % ELEMENTS(directories)],
                                                      &(struct bytes){ .data = data, .size = size });

                assert_int_equal(stored_crc_match(fd, size, crc, NULL, NULL), 0);
                assert_int_equal(stored_crc_match(fd, size, crc ^ 1, NULL, NULL), -EBADMSG);
                assert_int_equal(pwrite(fd, "x", 1, (off_t)size), 1);
                assert_int_equal(stored_crc_match(fd, size, crc, NULL, NULL), -EBADMSG);
                assert_int_equal(stored_crc_match(fd, n, crc32c(crc, "x", 1), NULL, NULL), 0);
                assert_int_equal(pwrite(fd, "y", 1, (off_t)size / 2), 1);
                assert_int_equal(stored_crc_match(fd, n, crc32c(crc, "x", 1), NULL, NULL), -EBADMSG);
        }
}

/* Two copies of the same archive look nothing alike, and one's key does not open the other. */
static void each_copy_has_its_own_key(void **state)
{
        _cleanup_(manifest_freep) struct manifest *one = sample_manifest("c", "n", 1),
                                                  *other = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes first = {}, second = {};
        _cleanup_(seal_freep) struct seal *seal = seal_archive(one, &first),
                                          *foreign = seal_archive(other, &second);
        _cleanup_failure_ failure = {};

        assert_memory_not_equal(one->stored_sha256, other->stored_sha256, SHA256_SIZE);
        assert_int_equal(prove(&first, seal_opener(foreign), one, &failure), -EBADMSG);
        assert_int_equal(prove(&first, seal_opener(seal), one, &failure), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_writer_proves_what_it_sealed),
                cmocka_unit_test(the_writer_finds_what_the_disk_changed),
                cmocka_unit_test(what_was_written_is_proven_by_its_checksum),
                cmocka_unit_test(each_copy_has_its_own_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
