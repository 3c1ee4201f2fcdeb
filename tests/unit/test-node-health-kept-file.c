/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "kept-file.h"

static char root[] = "/tmp/kept-file-XXXXXX";

static int open_root(void **state)
{
        (void)state;
        return mkdtemp(root) ? 0 : -1;
}

static int close_root(void **state)
{
        (void)state;
        return rmdir(root);
}

static void put(const char *path, const char *text)
{
        _cleanup_free_ char *full = path_under(root, path);

        if (text)
                assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
        else
                assert_int_equal(unlink(full), 0);
}

static void a_file_is_read_when_it_has_changed_and_only_then(void **state)
{
        struct kept_files files = {};
        const char *text, *again;

        (void)state;
        put("/a", "one");
        assert_int_equal(kept_file_read(&files, root, "/a", &text), 0);
        assert_string_equal(text, "one");
        assert_int_equal(kept_file_read(&files, root, "/a", &again), 0);
        assert_ptr_equal(text, again);

        put("/a", "two");
        assert_int_equal(kept_file_read(&files, root, "/a", &text), 0);
        assert_string_equal(text, "two");
        put("/a", NULL);
        assert_int_equal(kept_file_read(&files, root, "/a", &text), -ENOENT);
        put("/a", "three");
        assert_int_equal(kept_file_read(&files, root, "/a", &text), 0);
        assert_string_equal(text, "three");
        put("/a", NULL);
        kept_files_clear(&files);
}

static void each_path_has_its_own_text_and_there_is_room_for_a_few(void **state)
{
        struct kept_files files = {};
        const char *text;
        char path[8];

        (void)state;
        put("/a", "a");
        put("/b", "b");
        assert_int_equal(kept_file_read(&files, root, "/a", &text), 0);
        assert_string_equal(text, "a");
        assert_int_equal(kept_file_read(&files, root, "/b", &text), 0);
        assert_string_equal(text, "b");
        for (int i = 2; i < KEPT_FILES_MAX; i++) {
                (void)snprintf(path, sizeof(path), "/%d", i);
                assert_int_equal(kept_file_read(&files, root, path, &text), -ENOENT);
        }
        assert_int_equal(kept_file_read(&files, root, "/c", &text), -ENFILE);
        assert_int_equal(kept_static_pod_read(&files, root, "etcd", &text), -ENFILE);
        assert_int_equal(kept_file_read(&files, root, "/a", &text), 0);
        put("/a", NULL);
        put("/b", NULL);
        kept_files_clear(&files);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_read_when_it_has_changed_and_only_then),
                cmocka_unit_test(each_path_has_its_own_text_and_there_is_room_for_a_few),
        };

        return cmocka_run_group_tests(tests, open_root, close_root);
}
