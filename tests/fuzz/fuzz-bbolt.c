/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/bbolt-page.h"

#include <sys/mman.h>

#include "etcd-database.h"
#include "fuzz.h"

/* The meta pages' checksums are righted, or else no change would get past them. */
static void seal(uint8_t *meta)
{
        uint64_t fnv = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < META_SIZE - sizeof(fnv); i++)
                fnv = (fnv ^ meta[PAGE_HEADER_SIZE + i]) * UINT64_C(1099511628211);
        fnv = htole64(fnv);
        memcpy(meta + PAGE_HEADER_SIZE + META_SIZE - sizeof(fnv), &fnv, sizeof(fnv));
}

/* One pass over the bytes, in pieces, against the walk over the file: neither accepts what the other refuses,
 * nor reads it differently; only, the one may say that it cannot tell. */
static void compare(const uint8_t *bytes, size_t size, int result, const struct etcd_database *database)
{
        static const char *const directories[] = { "/dev/shm", "/tmp", NULL };
        _cleanup_(etcd_reader_freep) struct etcd_reader *reader = NULL;
        struct etcd_database passed = {};
        _cleanup_failure_ failure = {};
        const size_t piece = size > 0 ? 1 + bytes[size - 1] * (size_t)64 : 1;
        int r;

        PROMISE(etcd_reader_new(size, directories, &reader) == 0);
        for (size_t at = 0; at < size; at += piece)
                etcd_reader_add(reader, bytes + at, size - at < piece ? size - at : piece);
        r = etcd_reader_finish(reader, NULL, &passed, &failure);
        if (r < 0)
                promise_one_line(failure.message);
        PROMISE(r == result || r == -EOPNOTSUPP);
        PROMISE(r < 0 || memcmp(&passed, database, sizeof(passed)) == 0);
}

/* The walk ends, stays within the file and within its windows (a value is asked for piece by piece), visits
 * no more than the file holds, and says in one line what is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t bytes[1 << 20];
        static int fd = -1;
        struct etcd_database database = {};
        _cleanup_failure_ failure = {};
        int r;

        if (fd < 0)
                fd = memfd_create("bbolt", MFD_CLOEXEC);
        if (size > sizeof(bytes))
                return 0;
        memcpy(bytes, data, size);
        if (size >= PAGE_SIZE_MIN)
                seal(bytes);
        PROMISE(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);

        r = etcd_database_read(fd, size, NULL, &database, &failure);
        compare(bytes, size, r, &database);
        if (r < 0) {
                promise_one_line(failure.message);
                return 0;
        }
        PROMISE(database.revision > 0 && database.keys <= size / ELEMENT_SIZE &&
                database.consistent_index <= INT64_MAX);
        return 0;
}
