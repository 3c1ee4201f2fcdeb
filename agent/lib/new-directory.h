/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A directory that appears with its one file in it, and goes with it: empty, it would mean something else. It
 * is built and taken apart beside its place, as ".NAME.new-XXXXXX". */

#include <stddef.h>
#include <sys/types.h>

/* Writes the file into a directory that is not there yet, 0755. Returns -EEXIST when it is by now, or another
 * -errno. */
int new_directory_write(const char *file, const void *data, size_t size, mode_t mode);

/* Removes the file and the directory that it is in. Returns -ENOTEMPTY, and leaves both, when others put
 * something into it; or another -errno. */
int new_directory_remove(const char *file);

/* Removes what killed runs left beside the directory that the file is in. Returns 0 or -errno. */
int new_directory_sweep(const char *file);
