/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A program that takes one message (exchange-message.h) from its standard input, answers with one, and ends.
 */

#include <stddef.h>
#include <sys/types.h>

/* A file in memory with that text, which need not be waited for while it is read. Returns its descriptor or
 * -errno. */
int exchange_file(const char *text, size_t size);

/* The caller waits for the process. Returns 0 or -errno. */
int exchange_spawn(const char *path, int in, int out, pid_t *ret);
