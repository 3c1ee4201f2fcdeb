/* SPDX-License-Identifier: Apache-2.0 */

/* The walk through databases that a real etcd wrote, against what etcdctl says of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "archive.h"
#include "backup-node.h"
#include "etcd-database.h"
#include "files.h"
#include "json.h"
#include "program.h"
#include "verify.h"

#define FLIPS 2000

static char *ctl(const struct etcd *etcd, const char *const *words)
{
        char *answer = etcd_ctl(etcd, words);

        assert_null(strstr(answer, "Error"));
        return answer;
}

static json_object *ctl_json(const struct etcd *etcd, const char *const *words)
{
        _cleanup_free_ char *answer = ctl(etcd, words);
        json_object *object = json_tokener_parse(answer);

        assert_non_null(object);
        return object;
}

static void put_small(struct etcd *etcd, unsigned count)
{
        etcd_put_many(etcd, "registry/pods/default/some-name", count, 300);
}

/* In one pass, as the bytes come from etcd. */
static void assert_passing_reads_the_same(int fd, const struct etcd_database *database)
{
        _cleanup_(etcd_reader_freep) struct etcd_reader *reader = NULL;
        const char *const directories[] = { root, NULL };
        uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);
        _cleanup_failure_ failure = {};
        struct etcd_database passed = {};
        uint8_t piece[32768];
        ssize_t n;

        assert_int_equal(etcd_reader_new(size, directories, &reader), 0);
        for (uint64_t at = 0; (n = pread(fd, piece, sizeof(piece), (off_t)at)) > 0; at += (uint64_t)n)
                etcd_reader_add(reader, piece, (size_t)n);
        if (etcd_reader_finish(reader, NULL, &passed, &failure) < 0)
                fail_msg("%s", failure.message);
        assert_memory_equal(&passed, database, sizeof(passed));
}

static struct etcd_database read_saved(struct etcd *etcd, json_object **ret_status)
{
        _cleanup_free_ char *path = path_under(etcd->root, "/saved.db");
        _cleanup_close_ int fd = -EBADF;
        _cleanup_failure_ failure = {};
        struct etcd_database database;

        free(ctl(etcd, (const char *[]){ "snapshot", "save", path, NULL }));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (etcd_database_read(fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL, &database, &failure) < 0)
                fail_msg("%s", failure.message);
        assert_passing_reads_the_same(fd, &database);
        *ret_status = ctl_json(etcd, (const char *[]){ "snapshot", "status", path, "-w", "json", NULL });
        return database;
}

static void assert_as_etcdctl_says(struct etcd *etcd)
{
        _cleanup_json_ json_object *status = NULL;
        struct etcd_database database = read_saved(etcd, &status);

        assert_true(json_integer(status, "hash", -1) == (int64_t)database.hash);
        assert_true(json_integer(status, "totalKey", -1) == (int64_t)database.keys);
        assert_true(json_integer(status, "revision", -1) == database.revision);
}

static struct etcd own;
static char *shared_root;

static int own_set_up(void **state)
{
        shared_root = root;
        root = root_make();
        setenv("ETCD_MAX_REQUEST_BYTES", "16777216", 1); /* for a value that is larger than any should be */
        etcd_start(&own, root, false);
        configure_endpoint(own.endpoint);
        return 0;
}

static int own_tear_down(void **state)
{
        etcd_stop(&own, SIGTERM);
        root_remove(root);
        root = shared_root;
        return 0;
}

static void large_values_read_as_etcdctl_reads_them(void **state)
{
        assert_as_etcdctl_says(&member);
}

/* Branches of several levels, pages in any order, deletions, and pages that are free. */
static void a_used_database_reads_as_etcdctl_reads_it(void **state)
{
        put_small(&own, 1200);
        assert_as_etcdctl_says(&own);
        free(ctl(&own, (const char *[]){ "del", "--prefix", "registry/pods/default/some-name-1", NULL }));
        put_small(&own, 300);
        free(ctl(&own, (const char *[]){ "compaction", "1000", "--physical", NULL }));
        put_small(&own, 100);
        etcd_put_many(&own, "large", 3, 200000);
        assert_as_etcdctl_says(&own);
        free(ctl(&own, (const char *[]){ "defrag", NULL }));
        assert_as_etcdctl_says(&own);
}

/* etcdctl 3.4 tells that of the last record that is left, and 0 without any. */
static void the_revision_is_etcds_own_when_the_last_record_was_compacted_away(void **state)
{
        _cleanup_json_ json_object *status = NULL;
        struct etcd_database database = read_saved(&own, &status);
        char revision[16];

        assert_int_equal(database.revision, 1);
        assert_int_equal(json_integer(status, "revision", -1), 0);
        json_object_put(TAKE_PTR(status));

        etcd_put(&own, "a", "1", 1);
        etcd_put(&own, "b", "2", 1);
        free(ctl(&own, (const char *[]){ "del", "b", NULL }));
        (void)snprintf(revision, sizeof(revision), "%d", 4);
        free(ctl(&own, (const char *[]){ "compaction", revision, "--physical", NULL }));
        database = read_saved(&own, &status);
        assert_int_equal(database.revision, 4);
        assert_int_equal(json_integer(status, "revision", -1), 2);
}

static void the_database_knows_its_member_and_how_far_it_applied(void **state)
{
        _cleanup_json_ json_object *saved = NULL, *answer = NULL;
        json_object *status, *header;
        struct etcd_database database;

        put_small(&own, 5);
        database = read_saved(&own, &saved);
        answer = ctl_json(&own, (const char *[]){ "endpoint", "status", "-w", "json", NULL });
        status = json_member(json_object_array_get_idx(answer, 0), "Status", json_type_object);
        header = json_member(status, "header", json_type_object);
        assert_true(etcd_database_knows(&database,
                                        json_object_get_uint64(json_object_object_get(header, "member_id"))));
        assert_true(database.consistent_index > 5);
        assert_true((int64_t)database.consistent_index <= json_integer(status, "raftIndex", -1));
}

/* Where snapshot.db of the only copy lies, taken out of it. */
static char *take_out(void)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "cd %s && zstd -dc " SNAPSHOTS "/*.tar.zst | tar -x", root) > 0);
        assert_int_equal(system(command), 0);
        return under("snapshot.db");
}

static void a_copy_carries_what_the_walk_found(void **state)
{
        _cleanup_json_ json_object *status = NULL;
        _cleanup_free_ char *path = NULL, *revision = NULL;
        _cleanup_copies_ copies = {};
        const struct manifest *manifest;

        put_small(&own, 20);
        assert_int_equal(take_snapshot(), 0);
        copies = load_copies();
        manifest = copies.items[0].manifest;
        path = take_out();
        status = ctl_json(&own, (const char *[]){ "snapshot", "status", path, "-w", "json", NULL });
        assert_true(manifest->walked);
        assert_true(manifest->hash == (uint32_t)json_integer(status, "hash", -1));
        assert_true((int64_t)manifest->keys == json_integer(status, "totalKey", -1));
        assert_int_equal(manifest->revision, 21);
        assert_true(asprintf(&revision, "-r%" PRId64 ".tar.zst", manifest->revision) > 0);
        assert_non_null(strstr(manifest->stored_file, revision));
        assert_int_equal(run_plugin("list", NULL), 0);
        assert_int_equal(run_plugin("verify", "--json"), 0);
}

/* A page that is larger than any that etcd makes as it is set up by default. */
static void what_one_pass_does_not_do_is_walked_from_the_disk_before_it_is_a_copy(void **state)
{
        _cleanup_free_ char *value = malloc(7 << 20), *last_run = NULL;
        _cleanup_copies_ copies = {};
        const struct manifest *manifest;

        memset(value, 'v', 7 << 20);
        etcd_put(&own, "large", value, 7 << 20);
        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(1);
        copies = load_copies();
        manifest = copies.items[0].manifest;
        assert_true(manifest->walked);
        assert_int_equal(manifest->revision, 2);
        assert_non_null(strstr(manifest->stored_file, "-r2.tar.zst"));
        last_run = root_read(root, STATE "/last-run.json");
        assert_null(strstr(last_run, "proven by its hashes only"));
        assert_int_equal(run_plugin("verify", "--all"), 0);
}

static void every_flipped_byte_of_a_copy_is_found(void **state)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS), *path = NULL;
        _cleanup_copies_ copies = {};
        _cleanup_close_ int fd = -EBADF;
        struct copy *copy;
        uint8_t byte;

        put_small(&own, 20);
        assert_int_equal(take_snapshot(), 0);
        copies = load_copies();
        copy = &copies.items[0];
        path = copy_path(directory, copy->manifest->stored_file, "");
        fd = open(path, O_RDWR | O_CLOEXEC);
        srandom(1);
        for (unsigned i = 0; i < FLIPS; i++) {
                off_t at = (off_t)((uint64_t)random() % copy->manifest->stored_size);
                uint8_t bit = (uint8_t)(1u << (random() & 7)), changed;
                _cleanup_failure_ failure = {};
                _cleanup_facts_ facts = {};

                assert_int_equal(pread(fd, &byte, 1, at), 1);
                changed = byte ^ bit;
                assert_int_equal(pwrite(fd, &changed, 1, at), 1);
                assert_int_equal(copy_verify(directory, copy, NULL, root, NULL, &facts, &failure), -EBADMSG);
                assert_non_null(failure.message);
                assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
        assert_int_equal(run_plugin("verify", NULL), 0);
}

static int to_file(const void *data, size_t size, void *userdata)
{
        return write_all(*(int *)userdata, data, size);
}

/* An archive as the copy's, around other bytes. */
static int examine_around(const char *db, size_t size, const char *manifest)
{
        _cleanup_(archive_writer_freep) struct archive_writer *writer = NULL;
        const char *const directories[] = { root, NULL };
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_facts_ facts = {};

        assert_int_equal(archive_writer_new(to_file, &fd, &writer), 0);
        assert_int_equal(archive_begin(writer, SNAPSHOT_MEMBER, size, 0), 0);
        assert_int_equal(archive_add(writer, db, size), 0);
        assert_int_equal(archive_begin(writer, MANIFEST_MEMBER, strlen(manifest), 0), 0);
        assert_int_equal(archive_add(writer, manifest, strlen(manifest)), 0);
        assert_int_equal(archive_finish(writer), 0);
        return archive_examine(fd, NULL, directories, NULL, &facts, NULL);
}

static void every_flipped_byte_of_the_database_is_found(void **state)
{
        _cleanup_free_ char *path = NULL, *text = NULL, *db = NULL;
        _cleanup_json_ json_object *object = NULL;
        const char *manifest;
        size_t size;

        put_small(&own, 20);
        assert_int_equal(take_snapshot(), 0);
        path = take_out();
        text = root_read(root, "manifest.json");
        object = json_tokener_parse(text);
        assert_non_null(object);
        json_object_object_del(object, "included"); /* the node's files are not in this archive */
        manifest = json_object_to_json_string(object);
        assert_int_equal(file_read(path, 1 << 20, &db, &size), 0);
        assert_int_equal(examine_around(db, size, manifest), 0);
        srandom(2);
        for (unsigned i = 0; i < FLIPS; i++) {
                size_t at = (size_t)random() % size;
                char bit = (char)(1u << (random() & 7));

                db[at] ^= bit;
                assert_int_equal(examine_around(db, size, manifest), -EBADMSG);
                db[at] ^= bit;
        }
}

/* Changes the revision that the record of the key "marked" tells, in etcd's own file. */
static void damage_record(void)
{
        static const char record[] = "\x0a\x06marked\x10";
        _cleanup_free_ char *path = under("var/lib/etcd/member/snap/db"), *db = NULL;
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        size_t size, changed = 0;
        const char *at;

        assert_int_equal(file_read(path, 64 << 20, &db, &size), 0);
        for (at = db; (at = memmem(at, (size_t)(db + size - at), record, sizeof(record) - 1)); at++) {
                assert_int_equal(at[sizeof(record)], 0x18);
                assert_int_equal(pwrite(fd, "\x7f", 1, at + sizeof(record) + 1 - db), 1);
                changed++;
        }
        assert_true(changed > 0);
}

/* The hash that comes with the stream is made of the damaged bytes, and etcdctl finds nothing. */
static void damage_in_etcds_own_file_is_no_backup(void **state)
{
        _cleanup_json_ json_object *status = NULL;
        _cleanup_free_ char *path = NULL;

        etcd_put(&own, "marked", "1", 1);
        etcd_stop(&own, SIGTERM);
        damage_record();
        etcd_start(&own, root, false);
        configure_endpoint(own.endpoint);

        path = under("saved.db");
        free(ctl(&own, (const char *[]){ "snapshot", "save", path, NULL }));
        status = ctl_json(&own, (const char *[]){ "snapshot", "status", path, "-w", "json", NULL });
        assert_true(json_integer(status, "revision", -1) >= 2);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("DatabaseDamaged");
        assert_only_whole_copies(0);
}

#define OWN_TEST(f) cmocka_unit_test_setup_teardown(f, own_set_up, own_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(large_values_read_as_etcdctl_reads_them),
                OWN_TEST(a_used_database_reads_as_etcdctl_reads_it),
                OWN_TEST(the_revision_is_etcds_own_when_the_last_record_was_compacted_away),
                OWN_TEST(the_database_knows_its_member_and_how_far_it_applied),
                OWN_TEST(a_copy_carries_what_the_walk_found),
                OWN_TEST(what_one_pass_does_not_do_is_walked_from_the_disk_before_it_is_a_copy),
                OWN_TEST(every_flipped_byte_of_a_copy_is_found),
                OWN_TEST(every_flipped_byte_of_the_database_is_found),
                OWN_TEST(damage_in_etcds_own_file_is_no_backup),
        };

        return cmocka_run_group_tests(tests, backup_node_set_up, backup_node_tear_down);
}
