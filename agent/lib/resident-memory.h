/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a program that stays keeps of the memory that it needed for a moment: a report's JSON, a page of
 * metrics, the system's 140 authorities. */

#include <stddef.h>
#include <stdint.h>

/* At the start, before there are threads: large pieces come from the kernel and go back to it at once, and
 * threads (libcurl's look-ups of names) use the heap that is there. */
void resident_memory_limit(void);

/* After such a moment: gives the heap's free pages back, in the first minute at once and later after a few
 * minutes. A minute after the start it also lets go of the code and tables that only the start needed, such
 * as what the dynamic linker read: they stay in the page cache, and what is used once more is mapped again.
 */
void resident_memory_release(void);

/* Gives the whole pages of a buffer back whose content nobody wants any more; it is zero there when it is
 * used again. */
void resident_memory_forget(void *buffer, size_t size);

/* The code and tables of the libraries whose files' names begin so (the list ends with NULL; NULL itself is
 * all and the program, too), as the dynamic linker has mapped them. Returns how many there are, at most max.
 */
struct resident_memory_part {
        uintptr_t begin, end;
};
size_t resident_memory_find(const char *const *libraries, struct resident_memory_part *ret_parts, size_t max);

/* Lets go of them: for a program that is at work for a moment of each minute only. What it uses again is
 * mapped again, 64 KB at a time, from the page cache. */
void resident_memory_unmap(const struct resident_memory_part *parts, size_t count);
