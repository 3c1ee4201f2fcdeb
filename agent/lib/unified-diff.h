/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What --dry-run shows: the unified format of diff(1) (POSIX.1-2017, diff -u), with three lines of context.
 */

#include <stdio.h>

/* Writes nothing when the texts are the same. A NULL text is a file that does not exist: /dev/null takes its
 * name. Returns 0 or -ENOMEM. */
int unified_diff(FILE *stream, const char *name, const char *before, const char *after);
