/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Small texts that are looked at in each round: a file is read again when it has changed. */

#include <stddef.h>

#include "files.h"

#define KEPT_FILES_MAX 8
#define KEPT_FILE_MAX  (256 * 1024)

struct kept_file {
        char *path; /* without the root */
        struct file_stamp stamp;
        char *text; /* NULL: it could not be read */
};

struct kept_files {
        struct kept_file items[KEPT_FILES_MAX];
        size_t count;
};
void kept_files_clear(struct kept_files *files);

/* The text of ROOT/path, borrowed until the same path is asked for again. Returns 0, -ENOENT or another
 * -errno of reading, or -ENFILE for one path too many. */
int kept_file_read(struct kept_files *files, const char *root, const char *path, const char **ret);

/* The manifest of a static pod, as static_pod_load has it. */
int kept_static_pod_read(struct kept_files *files, const char *root, const char *name, const char **ret);
