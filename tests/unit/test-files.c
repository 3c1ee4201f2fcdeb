/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"

static char directory[] = "/tmp/test-files-XXXXXX";

static int make_directory(void **state)
{
        return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
        return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

static size_t entries(void)
{
        _cleanup_(closedirp) DIR *dir = opendir(".");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        return n - 2; /* . and .. */
}

static void assert_content(const char *path, const char *expected)
{
        _cleanup_free_ char *data = NULL;
        size_t size;

        assert_int_equal(file_read(path, 1024, &data, &size), 0);
        assert_int_equal(size, strlen(expected));
        assert_string_equal(data, expected);
}

static void writes_whole_files_with_the_mode_asked_for(void **state)
{
        struct stat st;
        mode_t old = umask(0077);

        assert_int_equal(file_write("a", "hello", 5, 0644), 0);
        umask(old);
        assert_content("a", "hello");
        assert_int_equal(stat("a", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(entries(), 1);
        unlink("a");
}

static void replaces_a_file_without_touching_the_old_one(void **state)
{
        _cleanup_close_ int old = -EBADF;
        char text[4] = "";

        assert_int_equal(file_write("a", "old", 3, 0600), 0);
        old = open("a", O_RDONLY | O_CLOEXEC);
        assert_int_equal(file_write("a", "new", 3, 0600), 0);
        assert_int_equal(read(old, text, 3), 3);
        assert_string_equal(text, "old");
        assert_content("a", "new");
        unlink("a");
}

static void a_new_file_has_no_name_before_it_is_published(void **state)
{
        struct new_file file;

        assert_int_equal(new_file_open("b", 0600, &file), 0);
        assert_int_equal(write_all(file.fd, "x", 1), 0);
        assert_int_equal(access("b", F_OK), -1);
        new_file_discard(&file);
        assert_int_equal(entries(), 0);
}

static void sweeps_what_killed_runs_left_and_nothing_else(void **state)
{
        struct new_file file;

        assert_int_equal(new_file_open("left", 0600, &file), 0);
        close(file.fd); /* as after kill -9: the name stays */
        assert_int_equal(file_write("kept.new-abcdef", "", 0, 0600), 0);
        assert_int_equal(file_write(".hidden", "", 0, 0600), 0);
        assert_int_equal(new_file_sweep("."), 1);
        assert_int_equal(access(file.temporary, F_OK), -1);
        assert_int_equal(entries(), 2);
        free(file.path);
        free(file.temporary);
        unlink("kept.new-abcdef");
        unlink(".hidden");
}

static void refuses_what_is_larger_than_the_limit(void **state)
{
        char *data = NULL;
        size_t size = 7;

        assert_int_equal(file_write("a", "12345", 5, 0600), 0);
        assert_int_equal(file_read("a", 4, &data, &size), -EFBIG);
        assert_null(data);
        assert_int_equal(size, 7);
        unlink("a");
}

static void refuses_what_is_not_a_regular_file(void **state)
{
        char *data = NULL;
        size_t size;

        assert_int_equal(mkfifo("fifo", 0600), 0);
        assert_int_equal(file_read("fifo", 4, &data, &size), -EINVAL);
        assert_int_equal(file_read(".", 4, &data, &size), -EINVAL);
        assert_int_equal(file_read("absent", 4, &data, &size), -ENOENT);
        unlink("fifo");
}

static void refuses_an_exposed_secret_with_the_chmod_to_type(void **state)
{
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *data = NULL;
        size_t size;

        assert_int_equal(file_write("key", "secret", 6, 0640), 0);
        assert_int_equal(file_read_secret("key", 1024, &data, &size, &failure), -EPERM);
        assert_string_equal(failure.reason, "SecretFileExposed");
        assert_non_null(strstr(failure.message, "chmod 0600 key"));
        assert_non_null(strstr(failure.message, "mode 0640"));
        assert_int_equal(chmod("key", 0600), 0);
        assert_int_equal(file_read_secret("key", 1024, &data, &size, &failure), 0);
        assert_string_equal(data, "secret");
        unlink("key");
}

static void says_which_secret_file_is_missing(void **state)
{
        _cleanup_failure_ failure = {};
        char *data;
        size_t size;

        assert_int_equal(file_read_secret("/nowhere/key", 1024, &data, &size, &failure), -ENOENT);
        assert_non_null(strstr(failure.message, "/nowhere/key"));
}

static void a_stamp_tells_a_changed_file_from_the_same_one(void **state)
{
        struct file_stamp missing, first, again, replaced, gone;

        file_stamp_read("a", &missing);
        assert_int_equal(file_write("a", "one", 3, 0600), 0);
        file_stamp_read("a", &first);
        file_stamp_read("a", &again);
        assert_true(file_stamp_same(&first, &again));
        assert_false(file_stamp_same(&first, &missing));
        assert_int_equal(file_write("a", "two", 3, 0600), 0);
        file_stamp_read("a", &replaced);
        assert_false(file_stamp_same(&first, &replaced));
        unlink("a");
        file_stamp_read("a", &gone);
        assert_true(file_stamp_same(&missing, &gone));
}

static void makes_directories_with_their_parents(void **state)
{
        assert_int_equal(directory_make("d/e/f", 0700), 0);
        assert_int_equal(directory_make("d/e/f", 0700), 0);
        assert_int_equal(rmdir("d/e/f"), 0);
        assert_int_equal(rmdir("d/e"), 0);
        assert_int_equal(rmdir("d"), 0);
}

static void joins_root_and_path_with_one_slash(void **state)
{
        _cleanup_free_ char *plain = path_under("/", "/etc/x"), *deep = path_under("/mnt/", "/etc/x");

        assert_string_equal(plain, "/etc/x");
        assert_string_equal(deep, "/mnt/etc/x");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_whole_files_with_the_mode_asked_for),
                cmocka_unit_test(replaces_a_file_without_touching_the_old_one),
                cmocka_unit_test(a_new_file_has_no_name_before_it_is_published),
                cmocka_unit_test(sweeps_what_killed_runs_left_and_nothing_else),
                cmocka_unit_test(refuses_what_is_larger_than_the_limit),
                cmocka_unit_test(refuses_what_is_not_a_regular_file),
                cmocka_unit_test(refuses_an_exposed_secret_with_the_chmod_to_type),
                cmocka_unit_test(says_which_secret_file_is_missing),
                cmocka_unit_test(a_stamp_tells_a_changed_file_from_the_same_one),
                cmocka_unit_test(makes_directories_with_their_parents),
                cmocka_unit_test(joins_root_and_path_with_one_slash),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
