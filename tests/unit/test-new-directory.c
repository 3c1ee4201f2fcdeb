/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "new-directory.h"

static char top[] = "/tmp/test-new-directory-XXXXXX";

static int make_top(void **state)
{
        return mkdtemp(top) && chdir(top) == 0 ? 0 : -1;
}

/* Nothing is left beside what a test removed itself. */
static int remove_top(void **state)
{
        return chdir("/") == 0 && rmdir(top) == 0 ? 0 : -1;
}

static char *in_top(const char *name)
{
        char *path;

        assert_true(asprintf(&path, "%s/%s", top, name) > 0);
        return path;
}

static void a_directory_comes_and_goes_with_its_file(void **state)
{
        _cleanup_free_ char *file = in_top("a/hosts.toml");
        struct stat status;

        assert_int_equal(new_directory_write(file, "x", 1, 0640), 0);
        assert_int_equal(stat("a", &status), 0);
        assert_int_equal(status.st_mode & 07777, 0755);
        assert_int_equal(stat(file, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
        assert_int_equal(new_directory_write(file, "x", 1, 0640), -EEXIST);
        assert_int_equal(new_directory_remove(file), 0);
        assert_int_equal(access("a", F_OK), -1);
        assert_int_equal(new_directory_remove(file), -ENOENT);
}

static void a_directory_with_a_file_of_others_stays_whole(void **state)
{
        _cleanup_free_ char *file = in_top("b/hosts.toml");

        assert_int_equal(new_directory_write(file, "x", 1, 0644), 0);
        assert_int_equal(file_write("b/theirs", "x", 1, 0644), 0);
        assert_int_equal(new_directory_remove(file), -ENOTEMPTY);
        assert_int_equal(access(file, F_OK), 0);
        assert_int_equal(unlink("b/theirs"), 0);
        assert_int_equal(new_directory_remove(file), 0);
}

static void what_a_killed_run_left_is_swept(void **state)
{
        _cleanup_free_ char *file = in_top("c/hosts.toml");

        assert_int_equal(mkdir(".c.new-abcdef", 0700), 0);
        assert_int_equal(file_write(".c.new-abcdef/hosts.toml", "x", 1, 0644), 0);
        assert_int_equal(mkdir(".cc.new-abcdef", 0700), 0);
        assert_int_equal(new_directory_sweep(file), 0);
        assert_int_equal(access(".c.new-abcdef", F_OK), -1);
        assert_int_equal(rmdir(".cc.new-abcdef"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_directory_comes_and_goes_with_its_file),
                cmocka_unit_test(a_directory_with_a_file_of_others_stays_whole),
                cmocka_unit_test(what_a_killed_run_left_is_swept),
        };

        return cmocka_run_group_tests(tests, make_top, remove_top);
}
