/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "copies.h"
#include "etcd-copy.h"
#include "files.h"
#include "verify.h"

static char directory[] = "/tmp/test-etcd-backup-copies-XXXXXX";

static int set_up(void **state)
{
        strcpy(strrchr(directory, '-'), "-XXXXXX");
        return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        struct dirent *entry;

        while ((entry = readdir(dir)))
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
        return chdir("/") == 0 ? rmdir(directory) : -1;
}

static void put(const char *name)
{
        assert_int_equal(file_write(name, "x", 1, 0600), 0);
}

static bool exists(const char *name)
{
        return access(name, F_OK) == 0;
}

static size_t count(const char *cluster, const char *node)
{
        _cleanup_copies_ copies = {};

        assert_int_equal(copies_load(directory, cluster, node, &copies), 0);
        return copies.count;
}

static void names_are_those_of_the_format(void **state)
{
        _cleanup_free_ char *name = copy_name("prod-1", "cp-0", UINT64_C(1795255200) * 1000000, 42, false);

        _cleanup_free_ char *encrypted =
                copy_name("prod-1", "cp-0", UINT64_C(1795255200) * 1000000, 42, true);

        assert_string_equal(name, "etcd-prod-1-cp-0-20261121T100000Z-r42.tar.zst");
        assert_string_equal(encrypted, "etcd-prod-1-cp-0-20261121T100000Z-r42.tar.zst.age");
        assert_true(copy_is_encrypted(encrypted));
        assert_false(copy_is_encrypted(name));
}

static void lists_own_copies_newest_first(void **state)
{
        _cleanup_free_ char *one = place_copy(directory, "c", "n", 1),
                            *three = place_copy(directory, "c", "n", 3),
                            *two = place_copy(directory, "c", "n", 2);
        _cleanup_copies_ copies = {};
        _cleanup_facts_ facts = {};

        assert_int_equal(copies_load(directory, "c", "n", &copies), 0);
        assert_int_equal(copies.count, 3);
        assert_string_equal(copies.items[0].manifest->stored_file, three);
        assert_string_equal(copies.items[1].manifest->stored_file, two);
        assert_string_equal(copies.items[2].manifest->stored_file, one);
        assert_true(copies.items[0].whole);
        assert_int_equal(copy_verify(directory, &copies.items[0], NULL, directory, NULL, &facts, NULL), 0);
}

static void sees_no_copies_of_other_clusters_and_nodes(void **state)
{
        /* "a-b" on "c" and "a" on "b-c" share their names' beginning; the manifests tell them apart. */
        _cleanup_free_ char *other = place_copy(directory, "a-b", "c", 1);

        assert_non_null(other);
        assert_int_equal(count("a-b", "c"), 1);
        assert_int_equal(count("a", "b-c"), 0);
        assert_int_equal(count("a-b", "d"), 0);
}

static void a_missing_directory_holds_no_copies(void **state)
{
        _cleanup_copies_ copies = {};

        assert_int_equal(copies_load("/nonexistent/directory", "c", "n", &copies), 0);
        assert_int_equal(copies.count, 0);
}

static void a_truncated_or_missing_archive_is_not_whole(void **state)
{
        _cleanup_free_ char *one = place_copy(directory, "c", "n", 1),
                            *two = place_copy(directory, "c", "n", 2);
        _cleanup_copies_ copies = {};

        assert_int_equal(truncate(two, 100), 0);
        assert_int_equal(copies_load(directory, "c", "n", &copies), 0);
        assert_false(copies.items[0].whole);
        assert_string_equal(copies_newest(&copies)->manifest->stored_file, one);
        assert_int_equal(unlink(one), 0);
        copies_clear(&copies);
        assert_int_equal(copies_load(directory, "c", "n", &copies), 0);
        assert_null(copies_newest(&copies));
}

static void verification_finds_damage_that_the_size_hides(void **state)
{
        _cleanup_free_ char *name = place_copy(directory, "c", "n", 1);
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};
        _cleanup_facts_ facts = {};
        int fd = open(name, O_WRONLY);

        assert_int_equal(pwrite(fd, "?", 1, 200), 1);
        close(fd);
        assert_int_equal(copies_load(directory, "c", "n", &copies), 0);
        assert_true(copies.items[0].whole);
        assert_int_equal(copy_verify(directory, &copies.items[0], NULL, directory, NULL, &facts, &failure),
                         -EBADMSG);
}

static void sweeps_only_own_leftovers(void **state)
{
        _cleanup_free_ char *good = place_copy(directory, "c", "n", 1);

        put(".etcd-c-n-20261121T100000Z-r1.tar.zst.new-AbCdEf");
        put(".etcd-c-n-20261121T100000Z-r1.tar.zst.manifest.json.new-AbCdEf");
        put("etcd-c-n-20261121T090000Z-r9.tar.zst");
        put(".etcd-c-m-20261121T100000Z-r1.tar.zst.new-AbCdEf");
        put(".notes.new-AbCdEf");
        put("etcd-c-m-20261121T090000Z-r9.tar.zst");
        put("etcd-c-n-yesterday-r9.tar.zst");
        put("etcd-c-n-20261121T090000Z-r9.tar.zst.bak");
        put("etcd-c-n-20261121T080000Z-r8.tar.zst");
        put("etcd-c-n-20261121T080000Z-r8.tar.zst.manifest.json"); /* unreadable, yet somebody's */

        assert_int_equal(copies_sweep(directory, "c", "n"), 3);
        assert_true(exists(good));
        assert_true(exists(".etcd-c-m-20261121T100000Z-r1.tar.zst.new-AbCdEf"));
        assert_true(exists(".notes.new-AbCdEf"));
        assert_true(exists("etcd-c-m-20261121T090000Z-r9.tar.zst"));
        assert_true(exists("etcd-c-n-yesterday-r9.tar.zst"));
        assert_true(exists("etcd-c-n-20261121T090000Z-r9.tar.zst.bak"));
        assert_true(exists("etcd-c-n-20261121T080000Z-r8.tar.zst"));
        assert_int_equal(copies_sweep(directory, "c", "n"), 0);
}

static void removes_archive_and_manifest(void **state)
{
        _cleanup_free_ char *name = place_copy(directory, "c", "n", 1);
        _cleanup_copies_ copies = {};

        assert_int_equal(copies_load(directory, "c", "n", &copies), 0);
        assert_int_equal(copy_remove(directory, &copies.items[0]), 0);
        assert_false(exists(name));
        assert_int_equal(count("c", "n"), 0);
        assert_int_equal(copies_sweep(directory, "c", "n"), 0);
}

#define COPIES_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_those_of_the_format),
                COPIES_TEST(lists_own_copies_newest_first),
                COPIES_TEST(sees_no_copies_of_other_clusters_and_nodes),
                COPIES_TEST(a_missing_directory_holds_no_copies),
                COPIES_TEST(a_truncated_or_missing_archive_is_not_whole),
                COPIES_TEST(verification_finds_damage_that_the_size_hides),
                COPIES_TEST(sweeps_only_own_leftovers),
                COPIES_TEST(removes_archive_and_manifest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
