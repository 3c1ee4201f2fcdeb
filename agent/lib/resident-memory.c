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

static uint64_t started_usec, trimmed_usec;

void resident_memory_limit(void)
{
        started_usec = now_boottime_usec();
        (void)mallopt(M_MMAP_THRESHOLD, LARGE);
        (void)mallopt(M_ARENA_MAX, 1);
}

/* libraries NULL: all objects. The program itself, which has no name here, is one of any. */
static bool is_one_of(const char *path, const char *const *libraries)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        if (name[0] == '\0')
                return true;
        for (const char *const *library = libraries; library && *library; library++)
                if (strncmp(name, *library, strlen(*library)) == 0)
                        return true;
        return !libraries;
}

static void unmap(uintptr_t begin, uintptr_t end)
{
        void *memory = (void *)begin; /* NOLINT(performance-no-int-to-ptr): the linker tells numbers */

        if (begin < end)
                (void)madvise(memory, end - begin, MADV_DONTNEED);
}

/* Segments that nobody may write are their file's pages and nothing else; relocations are done in the others.
 * They lie side by side, so that one call does for most objects. */
static int unmap_object(struct dl_phdr_info *object, size_t size, void *userdata)
{
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = 0, end = 0;

        if (!is_one_of(object->dlpi_name, userdata))
                return 0;
        /* Backwards: the table that is read here lies in the first one. */
        for (size_t i = object->dlpi_phnum; i > 0; i--) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i - 1];
                uintptr_t from = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
                uintptr_t to =
                        (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) & ~(page - 1);

                if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
                        continue;
                if (to != begin) {
                        unmap(begin, end);
                        end = to;
                }
                begin = from;
        }
        unmap(begin, end);
        return 0;
}

void resident_memory_release(void)
{
        uint64_t now = now_boottime_usec();
        bool is_new = started_usec != 0;

        if (is_new && now - started_usec > START_USEC) {
                (void)dl_iterate_phdr(unmap_object, NULL);
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

void resident_memory_unmap(const char *const *libraries)
{
        (void)dl_iterate_phdr(unmap_object, (void *)libraries);
}
