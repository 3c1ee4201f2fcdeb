/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>

#include "file-watch.h"
#include "files.h"
#include "quantity.h"

#define DEADLINE_USEC (60 * USEC_PER_SEC)
/* Longer than this process waits for its turn between two events of one change. */
#define SETTLE_USEC (100 * USEC_PER_MSEC)

static char directory[] = "/tmp/test-file-watch-XXXXXX";
static sd_event *event;
static unsigned changes;

static int set_up(void **state)
{
        changes = 0;
        (void)strcpy(strrchr(directory, '-'), "-XXXXXX");
        return mkdtemp(directory) && chdir(directory) == 0 && sd_event_new(&event) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
        event = sd_event_unref(event);
        return chdir("/") == 0 ? 0 : -1;
}

static void count(void *userdata)
{
        changes++;
}

static struct file_watch *watch(const char *name, uint64_t settle_usec)
{
        _cleanup_free_ char *path = NULL;
        struct file_watch *ret;

        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        assert_int_equal(file_watch_new(event, path, settle_usec, count, NULL, &ret), 0);
        return ret;
}

/* Runs the loop until the callback came `expected` times; fails at the deadline. */
static void wait_for(unsigned expected)
{
        while (changes < expected)
                assert_true(sd_event_run(event, DEADLINE_USEC) > 0);
        assert_int_equal(changes, expected);
}

/* Everything that is pending, and some settle times more. */
static void assert_quiet(void)
{
        unsigned before = changes;

        while (sd_event_run(event, 3 * SETTLE_USEC) > 0)
                ;
        assert_int_equal(changes, before);
}

static void tells_when_the_file_comes_changes_and_goes(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *file = watch("a.json", SETTLE_USEC);

        assert_non_null(file);
        assert_quiet();
        assert_int_equal(file_write("a.json", "1", 1, 0600), 0);
        wait_for(1);
        assert_int_equal(file_write("a.json", "2", 1, 0600), 0);
        wait_for(2);
        assert_int_equal(chmod("a.json", 0644), 0);
        wait_for(3);
        assert_int_equal(unlink("a.json"), 0);
        wait_for(4);
}

static void says_nothing_about_the_neighbours(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *file = watch("a.json", SETTLE_USEC);

        assert_non_null(file);
        assert_int_equal(file_write("b.json", "1", 1, 0600), 0);
        assert_quiet();
}

static void sees_a_file_in_directories_that_come_later(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *file = watch("x/y/z.json", SETTLE_USEC);

        assert_non_null(file);
        assert_int_equal(directory_make("x/y", 0700), 0);
        assert_int_equal(file_write("x/y/z.json", "1", 1, 0600), 0);
        wait_for(1);
        assert_quiet();
        assert_int_equal(file_write("x/y/z.json", "2", 1, 0600), 0);
        wait_for(2);
}

static void sees_the_file_again_after_its_directory_was_replaced(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *file = NULL;

        assert_int_equal(directory_make("x", 0700), 0);
        file = watch("x/a", SETTLE_USEC);
        assert_int_equal(rename("x", "old"), 0);
        wait_for(1);
        assert_int_equal(directory_make("x", 0700), 0);
        assert_int_equal(file_write("x/a", "1", 1, 0600), 0);
        wait_for(2);
}

static void sees_entries_once_a_link_leads_to_a_directory(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *w = NULL;

        assert_int_equal(mkdir("elsewhere", 0755), 0);
        assert_int_equal(file_write("link", "x", 1, 0644), 0);
        w = watch("link", SETTLE_USEC);
        assert_int_equal(symlink("elsewhere", "new"), 0);
        assert_int_equal(rename("new", "link"), 0);
        wait_for(1);
        assert_int_equal(file_write("elsewhere/entry", "x", 1, 0644), 0);
        wait_for(2);
        assert_quiet();
}

static void tells_about_every_entry_of_a_directory(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *entries = NULL;

        assert_int_equal(directory_make("d", 0700), 0);
        entries = watch("d", SETTLE_USEC);
        assert_int_equal(file_write("d/one", "1", 1, 0600), 0);
        wait_for(1);
        assert_int_equal(unlink("d/one"), 0);
        wait_for(2);
}

static void wait_for_events(unsigned expected)
{
        wait_for(expected);
        assert_quiet();
}

/* A directory and a file; also a directory that goes and is made again. */
static void what_is_renamed_into_place_is_told_and_its_making_is_not(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *entries = NULL, *file = NULL;
        _cleanup_free_ char *d = NULL, *a = NULL;

        assert_true(asprintf(&d, "%s/d", directory) > 0);
        assert_true(asprintf(&a, "%s/a", directory) > 0);
        assert_int_equal(directory_make("d", 0700), 0);
        assert_int_equal(file_watch_new_whole(event, d, SETTLE_USEC, count, NULL, &entries), 0);
        assert_int_equal(file_watch_new_whole(event, a, SETTLE_USEC, count, NULL, &file), 0);
        assert_int_equal(file_write("a", "1", 1, 0600), 0);
        wait_for_events(1);
        assert_int_equal(file_write("d/one", "1", 1, 0600), 0);
        wait_for_events(2);
        assert_int_equal(symlink("one", "d/two"), 0);
        assert_int_equal(chmod("d/one", 0644), 0);
        assert_quiet();
        assert_int_equal(unlink("d/two"), 0);
        wait_for_events(3);
        assert_int_equal(rename("d", "old"), 0);
        wait_for_events(4);
        assert_int_equal(directory_make("d", 0700), 0);
        wait_for_events(5);
        assert_int_equal(file_write("d/one", "1", 1, 0600), 0);
        wait_for_events(6);
        assert_int_equal(unlink("a"), 0);
        wait_for_events(7);
}

static void a_burst_is_told_once(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *file = watch("a", SETTLE_USEC);

        assert_non_null(file);
        for (int i = 0; i < 50; i++)
                assert_int_equal(file_write("a", "1", 1, 0600), 0);
        wait_for(1);
        assert_quiet();
}

static void free_in_callback(void *userdata)
{
        struct file_watch **file = userdata;

        changes++;
        *file = file_watch_free(*file);
}

static void may_be_freed_in_its_own_callback(void **state)
{
        _cleanup_(file_watch_freep) struct file_watch *file = NULL;
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/a", directory) > 0);
        assert_int_equal(file_watch_new(event, path, 0, free_in_callback, &file, &file), 0);
        assert_int_equal(file_write("a", "1", 1, 0600), 0);
        wait_for(1);
        assert_null(file);
        assert_quiet();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(tells_when_the_file_comes_changes_and_goes, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(says_nothing_about_the_neighbours, set_up, tear_down),
                cmocka_unit_test_setup_teardown(sees_a_file_in_directories_that_come_later, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(sees_the_file_again_after_its_directory_was_replaced, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(sees_entries_once_a_link_leads_to_a_directory, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(tells_about_every_entry_of_a_directory, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_renamed_into_place_is_told_and_its_making_is_not,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_burst_is_told_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(may_be_freed_in_its_own_callback, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
