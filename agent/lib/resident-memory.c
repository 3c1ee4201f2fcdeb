/* SPDX-License-Identifier: Apache-2.0 */

#include "resident-memory.h"

#include <malloc.h>

/* glibc's default is 128 KiB, but grows to the largest piece that was ever freed; a fixed one does not. */
#define LARGE (64 * 1024)

void resident_memory_limit(void)
{
        (void)mallopt(M_MMAP_THRESHOLD, LARGE);
        (void)mallopt(M_ARENA_MAX, 1);
}

void resident_memory_release(void)
{
        (void)malloc_trim(0);
}
