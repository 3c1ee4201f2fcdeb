/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "owned-files.h"

static char root[] = "/tmp/test-owned-files-XXXXXX";

static int make_root(void **state)
{
        umask(0077); /* as a plugin has it */
        return mkdtemp(root) && chdir(root) == 0 && mkdir("etc", 0755) == 0 && mkdir("state", 0700) == 0 ? 0
                                                                                                         : -1;
}

static int remove_root(void **state)
{
        return rmdir("etc") == 0 && rmdir("state") == 0 && chdir("/") == 0 && rmdir(root) == 0 ? 0 : -1;
}

static void assert_text(const char *path, const char *expected)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(file_read(path, 4096, &text, &size), 0);
        assert_string_equal(text, expected);
}

static mode_t mode_of(const char *path)
{
        struct stat status;

        assert_int_equal(lstat(path, &status), 0);
        return status.st_mode & 07777;
}

static int apply(const struct owned_file *wanted, size_t n, struct failure *failure)
{
        return owned_files_apply(root, "state", wanted, n, failure);
}

static void withdraw(void)
{
        assert_true(apply(NULL, 0, NULL) >= 0);
        assert_int_not_equal(access("state/owned.json", F_OK), 0);
}

static void writes_what_differs_and_nothing_else(void **state)
{
        struct owned_file files[] = { { "/etc/a.d/one", "1\n", 0644, NULL },
                                      { "/etc/two", "2\n", 0600, NULL } };

        assert_int_equal(apply(files, 2, NULL), 2);
        assert_text("etc/a.d/one", "1\n");
        assert_int_equal(mode_of("etc/a.d/one"), 0644);
        assert_int_equal(mode_of("etc/a.d"), 0755);
        assert_int_equal(mode_of("etc/two"), 0600);
        assert_int_equal(apply(files, 2, NULL), 0);

        files[0].text = "one\n";
        assert_int_equal(apply(files, 2, NULL), 1);
        assert_text("etc/a.d/one", "one\n");
        files[1].mode = 0644;
        assert_int_equal(apply(files, 2, NULL), 1);
        assert_int_equal(chmod("etc/two", 0666), 0);
        assert_int_equal(apply(files, 2, NULL), 1);
        assert_int_equal(mode_of("etc/two"), 0644);
        withdraw();
}

static void takes_back_what_is_wanted_no_longer_with_its_directory(void **state)
{
        const struct owned_file files[] = { { "/etc/a.d/b.d/one", "1\n", 0644, NULL },
                                            { "/etc/two", "2\n", 0644, NULL } };

        assert_int_equal(apply(files, 2, NULL), 2);
        assert_int_equal(apply(files + 1, 1, NULL), 1);
        assert_int_not_equal(access("etc/a.d", F_OK), 0);
        assert_text("etc/two", "2\n");
        withdraw();
        assert_int_not_equal(access("etc/two", F_OK), 0);
}

static void a_directory_that_others_use_stays(void **state)
{
        const struct owned_file file = { "/etc/a.d/one", "1\n", 0644, NULL };

        assert_int_equal(apply(&file, 1, NULL), 1);
        assert_int_equal(file_write("etc/a.d/theirs", "", 0, 0644), 0);
        withdraw();
        assert_int_equal(access("etc/a.d/theirs", F_OK), 0);
        assert_int_equal(unlink("etc/a.d/theirs"), 0);
        assert_int_equal(rmdir("etc/a.d"), 0);
}

static void a_file_of_others_is_refused_before_anything_changes(void **state)
{
        const struct owned_file files[] = { { "/etc/one", "1\n", 0644, NULL },
                                            { "/etc/theirs", "ours\n", 0644, NULL } };
        _cleanup_failure_ failure = {};

        assert_int_equal(file_write("etc/theirs", "theirs\n", 7, 0644), 0);
        assert_int_equal(apply(files, 2, &failure), -EEXIST);
        assert_string_equal(failure.reason, "ForeignFile");
        assert_non_null(strstr(failure.message, "/etc/theirs"));
        assert_int_not_equal(access("etc/one", F_OK), 0);
        withdraw();
        assert_text("etc/theirs", "theirs\n");
        assert_int_equal(unlink("etc/theirs"), 0);

        assert_int_equal(symlink("/etc/passwd", "etc/theirs"), 0);
        assert_int_equal(apply(files, 2, NULL), -EEXIST);
        assert_int_equal(unlink("etc/theirs"), 0);
}

/* The state was lost, the files were not. */
static void a_file_just_as_wanted_is_taken_over(void **state)
{
        const struct owned_file file = { "/etc/one", "1\n", 0644, NULL };

        assert_int_equal(file_write("etc/one", "1\n", 2, 0644), 0);
        assert_int_equal(apply(&file, 1, NULL), 0);
        withdraw();
        assert_int_not_equal(access("etc/one", F_OK), 0);
}

static void what_was_changed_or_removed_by_hand_is_put_right(void **state)
{
        const struct owned_file file = { "/etc/a.d/one", "1\n", 0644, NULL };

        assert_int_equal(apply(&file, 1, NULL), 1);
        assert_int_equal(file_write("etc/a.d/one", "other\n", 6, 0644), 0);
        assert_int_equal(apply(&file, 1, NULL), 1);
        assert_text("etc/a.d/one", "1\n");
        assert_int_equal(unlink("etc/a.d/one"), 0);
        assert_int_equal(rmdir("etc/a.d"), 0);
        assert_int_equal(apply(&file, 1, NULL), 1);
        assert_text("etc/a.d/one", "1\n");
        withdraw();
        assert_int_not_equal(access("etc/a.d", F_OK), 0);
}

static char *without_secret(const char *text)
{
        char *copy = strdup(text);

        if (copy && strchr(copy, '='))
                strcpy(strchr(copy, '='), "=\n");
        return copy;
}

static char *shown(const struct owned_file *wanted, size_t n)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        assert_int_equal(owned_files_show(root, "state", wanted, n, stream, NULL), 0);
        fclose(stream);
        return text;
}

static void the_difference_is_shown_without_secrets_and_changes_nothing(void **state)
{
        struct owned_file file = { "/etc/one", "key=first\n", 0600, without_secret };
        _cleanup_free_ char *made = shown(&file, 1), *changed = NULL, *same = NULL, *gone = NULL;

        assert_non_null(strstr(made, "+key=\n"));
        assert_int_not_equal(access("etc/one", F_OK), 0);
        assert_int_equal(apply(&file, 1, NULL), 1);
        same = shown(&file, 1);
        assert_string_equal(same, "");
        file.text = "key=second\n";
        changed = shown(&file, 1);
        assert_non_null(strstr(changed, "only secrets differ"));
        assert_null(strstr(changed, "first"));
        assert_null(strstr(changed, "second"));
        gone = shown(NULL, 0);
        assert_non_null(strstr(gone, "/etc/one\n+++ /dev/null"));
        assert_null(strstr(gone, "first"));
        assert_text("etc/one", "key=first\n");
        withdraw();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_what_differs_and_nothing_else),
                cmocka_unit_test(takes_back_what_is_wanted_no_longer_with_its_directory),
                cmocka_unit_test(a_directory_that_others_use_stays),
                cmocka_unit_test(a_file_of_others_is_refused_before_anything_changes),
                cmocka_unit_test(a_file_just_as_wanted_is_taken_over),
                cmocka_unit_test(what_was_changed_or_removed_by_hand_is_put_right),
                cmocka_unit_test(the_difference_is_shown_without_secrets_and_changes_nothing),
        };

        return cmocka_run_group_tests_name("owned-files", tests, make_root, remove_root);
}
