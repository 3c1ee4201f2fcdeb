/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/bbolt.c"

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

/* The walk ends, stays within the file and within its windows (a value is asked for piece by piece), visits
 * no more than the file holds, and says in one line what is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t bytes[1 << 20];
        static int fd = -1;
        struct etcd_database database;
        _cleanup_failure_ failure = {};

        if (fd < 0)
                fd = memfd_create("bbolt", MFD_CLOEXEC);
        if (size > sizeof(bytes))
                return 0;
        memcpy(bytes, data, size);
        if (size >= PAGE_SIZE_MIN)
                seal(bytes);
        PROMISE(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);

        if (etcd_database_read(fd, size, NULL, &database, &failure) < 0) {
                promise_one_line(failure.message);
                return 0;
        }
        PROMISE(database.revision > 0 && database.keys <= size / ELEMENT_SIZE &&
                database.consistent_index <= INT64_MAX);
        return 0;
}
