/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "destination.h"

#define WINDOW (8u << 20) /* of destination.c */

/* Since Linux 6.5; the headers of Debian 12 do not know it, and every architecture has this number. */
#define CACHESTAT 451
struct range {
        uint64_t offset, size;
};
struct pages {
        uint64_t cached, dirty, in_writeback, evicted, evicted_lately;
};

static uint64_t in_bytes(uint64_t pages)
{
        return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int count_pages(int fd, struct pages *ret)
{
        return syscall(CACHESTAT, fd, &(struct range){}, ret, 0) < 0 ? -errno : 0;
}

/* Not in /tmp, which may be memory, where nothing is ever written back. */
static struct destination begin(const struct backup_target *target)
{
        struct destination destination;
        uint64_t sequence;

        assert_non_null(mkdtemp(target->path));
        destination_open(&destination, target, "/", "test", "cp-0", &sequence);
        destination_begin(&destination, "etcd-test-cp-0-20261122T000000Z-r1.tar.zst", 1);
        assert_false(destination_failed(&destination));
        return destination;
}

static void what_is_not_on_the_disk_yet_is_bounded_and_so_is_what_stays_in_memory(void **state)
{
        char directory[] = "/var/tmp/capi-node-test-XXXXXX";
        const struct backup_target target = { .name = (char *)"local",
                                              .kind = TARGET_DIRECTORY,
                                              .path = directory };
        struct destination destination = begin(&target);
        uint64_t unwritten = 0, cached = 0;
        struct pages pages = {};
        static char piece[256 * 1024];
        int r = 0;

        memset(piece, 'x', sizeof(piece));
        for (unsigned i = 0; i < 10 * WINDOW / sizeof(piece) && r == 0; i++) {
                destination_write(&destination, piece, sizeof(piece));
                assert_false(destination_failed(&destination));
                r = count_pages(destination.file.fd, &pages);
                if (in_bytes(pages.dirty + pages.in_writeback) > unwritten)
                        unwritten = in_bytes(pages.dirty + pages.in_writeback);
                if (in_bytes(pages.cached) > cached)
                        cached = in_bytes(pages.cached);
        }
        destination_close(&destination);
        assert_int_equal(rmdir(directory), 0);
        if (r == -ENOSYS || cached == 0) /* an older kernel; a file system whose pages are another's */
                skip();
        assert_int_equal(r, 0);
        print_message("# at most %llu bytes were not on the disk, and %llu in memory\n",
                      (unsigned long long)unwritten, (unsigned long long)cached);
        assert_true(unwritten <= 2 * WINDOW + sizeof(piece));
        assert_true(cached <= 3 * WINDOW);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_not_on_the_disk_yet_is_bounded_and_so_is_what_stays_in_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
