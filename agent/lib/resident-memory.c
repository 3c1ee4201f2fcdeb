/* SPDX-License-Identifier: Apache-2.0 */

#include "resident-memory.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "quantity.h"
#include "timestamp.h"

/* glibc's default is 128 KiB, but grows to the largest piece that was ever freed; a fixed one does not. */
#define LARGE (64 * 1024)

/* By then a program has looked at everything for the first time. */
#define START_USEC USEC_PER_MIN

/* What one report has used the next one uses again, and the kernel takes longer to give a page than a program
 * to fill it; but what only something rare has used goes back in the end. */
#define TRIM_USEC (5 * USEC_PER_MIN)

/* libcurl alone brings 40 libraries. */
#define PARTS_MAX 128

static uint64_t started_usec, trimmed_usec;

void resident_memory_limit(void)
{
        started_usec = now_boottime_usec();
        (void)mallopt(M_MMAP_THRESHOLD, LARGE);
        (void)mallopt(M_ARENA_MAX, 1);
}

/* libraries NULL: all objects, also the program itself, which has no name here. */
static bool is_one_of(const char *path, const char *const *libraries)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        for (const char *const *library = libraries; library && *library; library++)
                if (strncmp(name, *library, strlen(*library)) == 0)
                        return true;
        return !libraries;
}

struct search {
        const char *const *libraries;
        struct resident_memory_part *parts;
        size_t count, max;
};

static void add(struct search *search, uintptr_t begin, uintptr_t end)
{
        struct resident_memory_part *last = search->count > 0 ? &search->parts[search->count - 1] : NULL;

        if (last && last->end == begin)
                last->end = end;
        else if (search->count < search->max)
                search->parts[search->count++] = (struct resident_memory_part){ begin, end };
}

/* Segments that nobody may write are their file's pages and nothing else; relocations are done in the others.
 * They lie side by side, so that one part does for most objects. */
static int search_object(struct dl_phdr_info *object, size_t size, void *userdata)
{
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        struct search *search = userdata;

        (void)size;
        if (!is_one_of(object->dlpi_name, search->libraries))
                return 0;
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
                uintptr_t begin = object->dlpi_addr + segment->p_vaddr, end = begin + segment->p_memsz;

                if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
                        add(search, begin & ~(page - 1), (end + page - 1) & ~(page - 1));
        }
        return 0;
}

size_t resident_memory_find(const char *const *libraries, struct resident_memory_part *ret_parts, size_t max)
{
        struct search search = { .libraries = libraries, .parts = ret_parts, .max = max };

        (void)dl_iterate_phdr(search_object, &search);
        return search.count;
}

void resident_memory_unmap(const struct resident_memory_part *parts, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                void *begin = (void *)parts[i].begin; /* NOLINT(performance-no-int-to-ptr): the linker's */

                (void)madvise(begin, parts[i].end - parts[i].begin, MADV_DONTNEED);
        }
}

static void unmap_everything(void)
{
        struct resident_memory_part parts[PARTS_MAX] = {};

        resident_memory_unmap(parts, resident_memory_find(NULL, parts, PARTS_MAX));
}

void resident_memory_release(void)
{
        uint64_t now = now_boottime_usec();
        bool is_new = started_usec != 0;

        if (is_new && now - started_usec > START_USEC) {
                unmap_everything();
                started_usec = 0;
        }
        if (is_new || now - trimmed_usec > TRIM_USEC) {
                (void)malloc_trim(0);
                trimmed_usec = now;
        }
}

void resident_memory_forget(void *buffer, size_t size)
{
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        size_t before = -(uintptr_t)buffer % page;

        if (size >= before + page)
                (void)madvise((char *)buffer + before, (size - before) & ~(page - 1), MADV_DONTNEED);
}
