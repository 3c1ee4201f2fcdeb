/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "etcd-copy.h"
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
                cmocka_unit_test(each_copy_has_its_own_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
