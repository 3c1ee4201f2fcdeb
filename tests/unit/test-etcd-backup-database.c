/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <sys/mman.h>

#include "../../plugins/etcd-backup/crc32c.c"

#include "etcd-copy.h"
#include "etcd-database-file.h"
#include "etcd-database.h"
#include "verify.h"

static int read_passing(const uint8_t *bytes, size_t size, size_t piece, struct etcd_database *ret,
                        struct failure *failure)
{
        static const char *const directories[] = { "/tmp", NULL };
        _cleanup_(etcd_reader_freep) struct etcd_reader *reader = NULL;

        assert_int_equal(etcd_reader_new(size, directories, &reader), 0);
        for (size_t at = 0; at < size; at += piece)
                etcd_reader_add(reader, bytes + at, size - at < piece ? size - at : piece);
        return etcd_reader_finish(reader, NULL, ret, failure);
}

/* One pass over the bytes, however they come, finds what the walk over the file finds. Only where no page
 * begins it does not tell what is there instead. */
static void assert_passing_reads_the_same(const uint8_t *bytes, size_t size, int result,
                                          const struct etcd_database *database, const struct failure *failure)
{
        static const size_t pieces[] = { 1, 100, 4096, 32768, 1 << 20 };

        for (size_t i = 0; i < ELEMENTS(pieces); i++) {
                _cleanup_failure_ found = {};
                struct etcd_database passed = {};
                int r;

                r = read_passing(bytes, size, pieces[i], &passed, &found);
                if (r == -EOPNOTSUPP && result == -EBADMSG)
                        continue;
                assert_int_equal(r, result);
                if (result >= 0) {
                        assert_memory_equal(&passed, database, sizeof(passed));
                        continue;
                }
                assert_string_equal(found.reason, failure->reason);
        }
}

static int read_database(const uint8_t *bytes, size_t size, struct etcd_database *ret,
                         struct failure *failure)
{
        _cleanup_close_ int fd = memfd_create("database", MFD_CLOEXEC);
        _cleanup_failure_ own = {};
        int r;

        if (!failure)
                failure = &own;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), (ssize_t)size);
        r = etcd_database_read(fd, size, NULL, ret, failure);
        assert_passing_reads_the_same(bytes, size, r, ret, failure);
        return r;
}

static void assert_good(const uint8_t *bytes)
{
        _cleanup_failure_ failure = {};
        struct etcd_database database;

        if (read_database(bytes, DATABASE_SIZE, &database, &failure) < 0)
                fail_msg("%s", failure.message);
}

static void tells_what_etcd_keeps_in_it(void **state)
{
        uint8_t bytes[DATABASE_SIZE];
        struct etcd_database database;

        database_make(bytes);
        assert_int_equal(read_database(bytes, sizeof(bytes), &database, NULL), 0);
        assert_int_equal(database.revision, DATABASE_REVISION);
        assert_int_equal(database.keys, 6);
        assert_int_equal(database.consistent_index, 9);
        assert_int_equal(database.n_members, 1);
        assert_true(etcd_database_knows(&database, DATABASE_MEMBER));
        assert_false(etcd_database_knows(&database, 1));
}

/* RFC 3720 B.4, and both ways of computing it against each other at every length and alignment. */
static void computes_crc32c(void **state)
{
        uint8_t bytes[4000]; /* the processor takes more than 1536 in another way */

        memset(bytes, 0, sizeof(bytes));
        assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
        for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i < 256 ? i : i * i >> 7);
        assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
        assert_int_equal(crc32c(crc32c(0, bytes, 11), bytes + 11, 21), 0x46dd794e);
        for (size_t a = 0; a < 100; a += 7)
                assert_int_equal(crc32c_combine(crc32c(0, bytes, a), crc32c(0, bytes + a, 200), 200),
                                 crc32c(0, bytes, a + 200));
        for (size_t at = 0; at < 8; at++)
                for (size_t size = 0; size < sizeof(bytes) - at; size++)
                        assert_int_equal(~add_by_tables(~7u, bytes + at, size), crc32c(7, bytes + at, size));
}

static void the_newest_valid_meta_page_counts(void **state)
{
        uint8_t bytes[DATABASE_SIZE], *newer = bytes + PAGE_AT(PAGE_META),
                                      *older = bytes + PAGE_AT(PAGE_OTHER_META);
        struct etcd_database database;

        database_make(bytes);
        put64(older + 32, PAGE_FREE); /* its checksum is wrong now */
        assert_good(bytes);
        newer[20] ^= 1;
        assert_int_equal(read_database(bytes, sizeof(bytes), &database, NULL), -EBADMSG);

        database_make(bytes);
        newer[20] ^= 1; /* the older one says the same, but for its transaction */
        assert_good(bytes);
        put64(newer, 77); /* bbolt does not look at a meta page's number either */
        assert_good(bytes);
}

static void a_free_list_need_not_be_stored(void **state)
{
        uint8_t bytes[DATABASE_SIZE];

        database_make(bytes);
        memset(bytes + PAGE_AT(PAGE_FREELIST), 0xaa, DATABASE_PAGE_SIZE);
        put64(bytes + 48, UINT64_MAX);
        database_seal(bytes);
        assert_good(bytes);
}

static void a_long_free_list_has_its_count_in_front(void **state)
{
        uint8_t bytes[DATABASE_SIZE], *list = bytes + PAGE_AT(PAGE_FREELIST);

        database_make(bytes);
        put16(list + 10, 0xffff);
        put64(list + 16, 1);
        put64(list + 24, PAGE_FREE);
        assert_good(bytes);
}

static void bytes_behind_the_last_page_do_not_matter(void **state)
{
        uint8_t bytes[DATABASE_SIZE + 100] = "";
        struct etcd_database database;

        database_make(bytes);
        assert_int_equal(read_database(bytes, sizeof(bytes), &database, NULL), 0);
        assert_int_equal(read_database(bytes, DATABASE_SIZE - 1, &database, NULL), -EBADMSG);
        for (size_t size = 0; size < 200; size++)
                assert_int_equal(read_database(bytes, size, &database, NULL), -EBADMSG);
}

static void each_kind_of_damage_is_named(void **state)
{
        static const struct {
                size_t at;
                unsigned bits;
                uint64_t value;
                const char *message;
        } rows[] = {
                { 40 - 8, 64, 0, "it is named" },                               /* root: a meta page */
                { 40 - 8, 64, DATABASE_PAGES, "it is named" },                  /* behind the end */
                { 40 - 8, 64, UINT64_MAX, "it is named" },                      /* far behind it */
                { 40 - 8, 64, PAGE_FREE, "it says that it is page 0" },         /* an empty page */
                { 56, 64, DATABASE_PAGES + 1, "the file has 9" },               /* high water mark */
                { 56, 64, 0, "it names no page" },                              /* the same */
                { 56, 64, UINT64_MAX, "the file has 9" },                       /* the same */
                { 24, 32, 0, "neither meta page" },                             /* page size */
                { 24, 32, 4097, "neither meta page" },                          /* the same */
                { ELEMENT_AT(PAGE_RECORDS, 0) + 8, 64, PAGE_RECORDS, "twice" }, /* a cycle */
                { ELEMENT_AT(PAGE_RECORDS, 0) + 8, 64, PAGE_BUCKETS, "twice" }, /* a larger one */
                { ELEMENT_AT(PAGE_RECORDS, 1) + 8, 64, PAGE_FIRST_LEAF, "twice" },
                { ELEMENT_AT(PAGE_RECORDS, 0) + 8, 64, PAGE_SECOND_LEAF, "not in order" },
                { ELEMENT_AT(PAGE_RECORDS, 0) + 8, 64, PAGE_OVERFLOW, "it says that it is" },
                { ELEMENT_AT(PAGE_RECORDS, 0) + 8, 64, PAGE_FREELIST, "neither branch nor leaf" },
                { ELEMENT_AT(PAGE_RECORDS, 1) + 4, 32, 0, "a key of 0 bytes" },
                { ELEMENT_AT(PAGE_RECORDS, 1) + 4, 32, UINT32_MAX, "not within it" },
                { ELEMENT_AT(PAGE_RECORDS, 0), 32, 0, "not within it" }, /* on the elements */
                { PAGE_AT(PAGE_RECORDS) + 10, 16, 0, "neither branch nor leaf" },
                { PAGE_AT(PAGE_RECORDS) + 10, 16, UINT16_MAX, "elements do not fit" },
                { PAGE_AT(PAGE_RECORDS) + 12, 32, UINT32_MAX, "behind the end" },
                { PAGE_AT(PAGE_RECORDS) + 8, 16, 0x12, "neither branch nor leaf" },
                { PAGE_AT(PAGE_FIRST_LEAF), 64, 3, "it says that it is page 3" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 12, 32, 1, "twice" }, /* over the second one */
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 7, 8, 1, "not in order" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 7, 8, 9, "under another revision" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 8, 8, '~', "a record without a revision" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 17, 8, 0x0b, "a record that is none" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 17, 8, 0x08, "a record that is none" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 17 + 1, 8, 0, "a record that is none" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 17 + 6, 8, 9, "under another revision" },
                { PAGE_AT(PAGE_FIRST_LEAF) + 48 + 17 + 11, 8, 99, "a record that is none" },
                { ELEMENT_AT(PAGE_FIRST_LEAF, 0), 32, 1, "no plain entry" },
                { ELEMENT_AT(PAGE_FIRST_LEAF, 1) + 4, 32, 32, "not within it" }, /* the first one's bytes */
                { ELEMENT_AT(PAGE_FIRST_LEAF, 1) + 12, 32, UINT32_MAX, "not within it" },
                { ELEMENT_AT(PAGE_BUCKETS, 0), 32, 0, "outside of the buckets" },
                { ELEMENT_AT(PAGE_BUCKETS, 0) + 12, 32, 15, "outside of the buckets" },
                { ELEMENT_AT(PAGE_BUCKETS, 1) + 12, 32, 31, "has no page" },
                { PAGE_AT(PAGE_BUCKETS) + 64, 8, 'a', "no bucket \"key\"" },
                { PAGE_AT(PAGE_FREELIST) + 16, 64, PAGE_FIRST_LEAF, "twice" },
                { PAGE_AT(PAGE_FREELIST) + 16, 64, 1, "which does not exist" },
                { PAGE_AT(PAGE_FREELIST) + 16, 64, DATABASE_PAGES, "which does not exist" },
                { PAGE_AT(PAGE_FREELIST) + 10, 16, 0, "1 pages are neither in use nor free" },
                { PAGE_AT(PAGE_FREELIST) + 10, 16, UINT16_MAX, "which does not exist" },
                { PAGE_AT(PAGE_FREELIST) + 10, 16, 0xfffe, "do not fit" },
                { PAGE_AT(PAGE_FREELIST) + 8, 16, 2, "no list of free pages" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                uint8_t bytes[DATABASE_SIZE];
                struct etcd_database database;
                _cleanup_failure_ failure = {};
                uint64_t value = htole64(rows[i].value);

                database_make(bytes);
                memcpy(bytes + rows[i].at, &value, rows[i].bits / 8);
                database_seal(bytes);
                bytes[PAGE_AT(PAGE_OTHER_META) + 16] = 0; /* lest that one is fallen back to */
                assert_int_equal(read_database(bytes, sizeof(bytes), &database, &failure), -EBADMSG);
                if (!strstr(failure.message, rows[i].message))
                        fail_msg("row %zu: \"%s\" instead of \"%s\"", i, failure.message, rows[i].message);
                assert_string_equal(failure.reason, "DatabaseDamaged");
        }
}

static int examine(const struct bytes *bytes, struct archive_facts *ret, struct failure *failure)
{
        static const char *const directories[] = { "/nonexistent", "/tmp", NULL };
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);

        assert_int_equal(write(fd, bytes->data, bytes->size), (ssize_t)bytes->size);
        return archive_examine(fd, NULL, directories, NULL, ret, failure);
}

static void manifest_says(struct manifest *manifest, const uint8_t *bytes)
{
        struct etcd_database database;

        assert_int_equal(read_database(bytes, DATABASE_SIZE, &database, NULL), 0);
        manifest->walked = true;
        manifest->revision = database.revision;
        manifest->keys = database.keys;
        manifest->consistent_index = database.consistent_index;
        manifest->hash = database.hash;
}

static void an_archive_is_walked_and_held_against_its_manifest(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes archive = {};
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};
        uint8_t bytes[DATABASE_SIZE];

        database_make(bytes);
        manifest_says(manifest, bytes);
        make_archive_of(manifest, bytes, sizeof(bytes), &archive);
        assert_int_equal(examine(&archive, &facts, &failure), 0);
        assert_true(facts.walked);
        assert_int_equal(archive_facts_match(&facts, manifest, &failure), 0);

        facts.database.hash++;
        assert_int_equal(archive_facts_match(&facts, manifest, &failure), -EBADMSG);
        facts.database.hash--;
        facts.database.revision++;
        assert_int_equal(archive_facts_match(&facts, manifest, &failure), -EBADMSG);
}

/* As copies have it that were stored without a walk, and all before there was one. */
static void a_manifest_without_a_walk_names_a_floor(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes archive = {};
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};
        uint8_t bytes[DATABASE_SIZE];

        database_make(bytes);
        manifest->revision = DATABASE_REVISION - 1;
        make_archive_of(manifest, bytes, sizeof(bytes), &archive);
        assert_int_equal(examine(&archive, &facts, &failure), 0);
        assert_int_equal(archive_facts_match(&facts, manifest, &failure), 0);
        facts.database.revision = DATABASE_REVISION - 2;
        assert_int_equal(archive_facts_match(&facts, manifest, &failure), -EBADMSG);
}

static void damage_behind_a_right_hash_is_found(void **state)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_(bytes_clear) struct bytes archive = {};
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};
        uint8_t bytes[DATABASE_SIZE];

        database_make(bytes);
        bytes[ELEMENT_AT(PAGE_RECORDS, 1) + 8] = PAGE_FIRST_LEAF;
        make_archive_of(manifest, bytes, sizeof(bytes), &archive);
        assert_int_equal(examine(&archive, &facts, &failure), -EBADMSG);
        assert_string_equal(failure.reason, "DatabaseDamaged");
}

static void without_room_the_hashes_are_the_proof_and_it_is_said(void **state)
{
        static const char *const nowhere[] = { "/nonexistent", NULL };
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest("c", "n", 1);
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_(bytes_clear) struct bytes archive = {};
        _cleanup_facts_ facts = {};
        uint8_t bytes[DATABASE_SIZE];

        database_make(bytes);
        make_archive_of(manifest, bytes, sizeof(bytes), &archive);
        assert_int_equal(write(fd, archive.data, archive.size), (ssize_t)archive.size);
        assert_int_equal(archive_examine(fd, NULL, nowhere, NULL, &facts, NULL), 0);
        assert_false(facts.walked);
        assert_string_equal(facts.unwalked.reason, "DatabaseNotWalked");
        assert_int_equal(archive_facts_match(&facts, manifest, NULL), 0);
}

static bool always(void *userdata)
{
        return true;
}

static void an_interrupt_ends_the_walk(void **state)
{
        const struct interrupt interrupt = { always };
        _cleanup_close_ int fd = memfd_create("database", MFD_CLOEXEC);
        struct etcd_database database;
        uint8_t bytes[DATABASE_SIZE];

        database_make(bytes);
        assert_int_equal(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
        assert_int_equal(etcd_database_read(fd, sizeof(bytes), &interrupt, &database, NULL), -ECANCELED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tells_what_etcd_keeps_in_it),
                cmocka_unit_test(computes_crc32c),
                cmocka_unit_test(the_newest_valid_meta_page_counts),
                cmocka_unit_test(a_free_list_need_not_be_stored),
                cmocka_unit_test(a_long_free_list_has_its_count_in_front),
                cmocka_unit_test(bytes_behind_the_last_page_do_not_matter),
                cmocka_unit_test(each_kind_of_damage_is_named),
                cmocka_unit_test(an_archive_is_walked_and_held_against_its_manifest),
                cmocka_unit_test(a_manifest_without_a_walk_names_a_floor),
                cmocka_unit_test(damage_behind_a_right_hash_is_found),
                cmocka_unit_test(without_room_the_hashes_are_the_proof_and_it_is_said),
                cmocka_unit_test(an_interrupt_ends_the_walk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
