/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <string.h>

#include "etcd-copy.h"
#include "files.h"
#include "store.h"
#include "verify.h"

static char root[] = "/tmp/test-etcd-backup-store-XXXXXX";
static const struct backup_target target = { .name = (char *)"local", .path = (char *)"/copies" };

static int set_up(void **state)
{
        _cleanup_free_ char *from = NULL;

        strcpy(strrchr(root, '-'), "-XXXXXX");
        if (!mkdtemp(root) || asprintf(&from, "%s/from", root) < 0)
                return -1;
        return directory_make(from, 0700);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        return remove(path);
}

static int tear_down(void **state)
{
        return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct store *open_store(void)
{
        struct store *store;

        assert_int_equal(store_open(&target, root, NULL, &store, NULL), 0);
        return store;
}

/* Puts a copy that was made elsewhere. */
static int put(struct store *store, const char *cluster, const char *node, uint64_t sequence, char spoil,
               struct failure *failure)
{
        _cleanup_free_ char *from = NULL, *name = NULL, *path = NULL;
        _cleanup_copies_ copies = {};
        _cleanup_close_ int fd = -EBADF;

        assert_true(asprintf(&from, "%s/from", root) > 0);
        name = place_copy(from, cluster, node, sequence);
        assert_int_equal(copies_load(from, cluster, node, &copies), 0);
        path = copy_path(from, name, "");
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        if (spoil)
                assert_int_equal(pwrite(fd, &spoil, 1, 40), 1);
        for (size_t i = 0; i < copies.count; i++)
                if (strcmp(copies.items[i].manifest->stored_file, name) == 0)
                        return store_put(store, fd, copies.items[i].manifest, failure);
        fail();
        return -ENOENT;
}

static void lists_the_copies_of_all_nodes_each_with_its_newest_first(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_copies_ all = {}, one = {}, every = {};

        assert_int_equal(put(store, "c", "cp-1", 1, 0, NULL), 0);
        assert_int_equal(put(store, "c", "cp-0", 2, 0, NULL), 0);
        assert_int_equal(put(store, "c", "cp-0", 3, 0, NULL), 0);
        assert_int_equal(put(store, "other", "cp-0", 9, 0, NULL), 0);

        assert_int_equal(store_list(store, "c", NULL, &all, NULL), 0);
        assert_int_equal(all.count, 3);
        assert_string_equal(all.items[0].manifest->node, "cp-0");
        assert_int_equal(all.items[0].manifest->sequence, 3);
        assert_int_equal(all.items[1].manifest->sequence, 2);
        assert_string_equal(all.items[2].manifest->node, "cp-1");
        assert_int_equal(store_list(store, "c", "cp-1", &one, NULL), 0);
        assert_int_equal(one.count, 1);
        assert_int_equal(store_list(store, NULL, NULL, &every, NULL), 0);
        assert_int_equal(every.count, 4);
}

static void what_was_put_is_fetched_and_proves_itself(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(put(store, "c", "n", 1, 0, &failure), 0);
        assert_int_equal(store_list(store, "c", "n", &copies, NULL), 0);
        assert_true(copies.items[0].whole);
        assert_int_equal(store_fetch(store, &copies.items[0], root, &fd, NULL), 0);
        assert_int_equal(stored_bytes_match(fd, copies.items[0].manifest, NULL, &failure), 0);

        assert_int_equal(store_remove(store, &copies.items[0], NULL), 0);
        assert_int_equal(store_remove(store, &copies.items[0], NULL), 0);
        copies_clear(&copies);
        assert_int_equal(store_list(store, "c", "n", &copies, NULL), 0);
        assert_int_equal(copies.count, 0);
}

static void putting_the_same_copy_again_changes_nothing(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_copies_ copies = {};

        assert_int_equal(put(store, "c", "n", 1, 0, NULL), 0);
        assert_int_equal(put(store, "c", "n", 1, 0, NULL), 0);
        assert_int_equal(store_list(store, "c", "n", &copies, NULL), 0);
        assert_int_equal(copies.count, 1);
}

static void an_archive_that_is_not_what_its_manifest_says_is_not_put(void **state)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};

        assert_int_equal(put(store, "c", "n", 1, 'x', &failure), -EBADMSG);
        assert_non_null(strstr(failure.message, "target local"));
        assert_int_equal(store_list(store, "c", "n", &copies, NULL), 0);
        assert_int_equal(copies.count, 0);
        assert_int_equal(store_sweep(store, "c", "n", NULL), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                TEST(lists_the_copies_of_all_nodes_each_with_its_newest_first),
                TEST(what_was_put_is_fetched_and_proves_itself),
                TEST(putting_the_same_copy_again_changes_nothing),
                TEST(an_archive_that_is_not_what_its_manifest_says_is_not_put),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
