/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "files.h"
#include "unified-diff.h"

static char *diff_of(const char *before, const char *after)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        assert_int_equal(unified_diff(stream, "file", before, after), 0);
        fclose(stream);
        return text;
}

static void the_same_text_has_no_difference(void **state)
{
        _cleanup_free_ char *text = diff_of("a\nb\n", "a\nb\n");

        assert_string_equal(text, "");
}

static void a_new_and_a_removed_file_are_compared_with_dev_null(void **state)
{
        _cleanup_free_ char *made = diff_of(NULL, "a\nb\n"), *gone = diff_of("a\n", NULL);

        assert_string_equal(made, "--- /dev/null\n+++ file\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_string_equal(gone, "--- file\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
}

static void a_missing_last_line_feed_is_said(void **state)
{
        _cleanup_free_ char *text = diff_of("a\n", "b");

        assert_string_equal(text, "--- file\n+++ file\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n");
}

static void distant_changes_have_a_hunk_each(void **state)
{
        _cleanup_free_ char *text =
                diff_of("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\nx\n3\n4\n5\n6\n7\n8\n9\ny\n");

        assert_string_equal(text, "--- file\n+++ file\n@@ -1,5 +1,5 @@\n 1\n-2\n+x\n 3\n 4\n 5\n"
                                  "@@ -7,4 +7,4 @@\n 7\n 8\n 9\n-10\n+y\n");
}

/* The oracle: patch(1) makes the one text of the other. */
static void patch_makes_of_one_text_the_other(void **state)
{
        srandom(7);
        for (int round = 0; round < 150; round++) {
                char texts[2][128] = { "", "" };
                _cleanup_free_ char *diff = NULL, *patched = NULL;
                size_t size;

                for (int which = 0; which < 2; which++)
                        for (long n = random() % 20; n > 0; n--)
                                strcat(texts[which],
                                       (const char *[]){ "a\n", "b\n", "c\n", "\n" }[random() % 4]);
                diff = diff_of(texts[0], texts[1]);
                assert_int_equal(file_write("before", texts[0], strlen(texts[0]), 0600), 0);
                assert_int_equal(file_write("diff", diff, strlen(diff), 0600), 0);
                if (*diff == '\0') {
                        assert_string_equal(texts[0], texts[1]);
                        continue;
                }
                assert_int_equal(system("patch -s --no-backup-if-mismatch -o after before diff"), 0);
                assert_int_equal(file_read("after", 4096, &patched, &size), 0);
                assert_string_equal(patched, texts[1]);
        }
}

static int set_up(void **state)
{
        static char directory[] = "/tmp/test-unified-diff-XXXXXX";

        return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
        unlink("before");
        unlink("diff");
        unlink("after");
        _cleanup_free_ char *here = getcwd(NULL, 0);
        return here ? rmdir(here) : -1;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_same_text_has_no_difference),
                cmocka_unit_test(a_new_and_a_removed_file_are_compared_with_dev_null),
                cmocka_unit_test(a_missing_last_line_feed_is_said),
                cmocka_unit_test(distant_changes_have_a_hunk_each),
                cmocka_unit_test(patch_makes_of_one_text_the_other),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
