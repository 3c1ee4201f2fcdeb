/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Numbers that the kernel gives in small files of /proc and /sys. */

#include <stddef.h>
#include <stdint.h>

/* The first `count` numbers of a text such as "592\t0\t2466177\n". Returns 0 or -EBADMSG. */
int figures_parse(const char *text, uint64_t *ret, size_t count);

/* The number behind a key that begins a line: "oom_kill 0". Returns 0, -ENOENT without such a line, or
 * -EBADMSG. */
int figure_find(const char *text, const char *key, uint64_t *ret);

/* The same of a file below root. Return -errno of reading, too. */
int figures_read(const char *root, const char *path, uint64_t *ret, size_t count);
int figure_read(const char *root, const char *path, const char *key, uint64_t *ret);
