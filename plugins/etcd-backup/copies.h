/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copies in a directory. Ours are those whose name is of our form and whose manifest names our cluster
 * and node; everything else that may lie there is never touched. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "manifest.h"

#define COPY_SUFFIX      ".tar.zst"
#define ENCRYPTED_SUFFIX ".age" /* behind COPY_SUFFIX */
#define COPY_NAME_MAX    255

struct copy {
        struct manifest *manifest; /* manifest->stored_file is the copy's name */
        bool whole;                /* the archive is there, with the size that the manifest tells */
};

struct copies {
        struct copy *items; /* newest first, by sequence number */
        size_t count;
};
#define _cleanup_copies_ _cleanup_(copies_clear) struct copies
void copies_clear(struct copies *copies);

/* etcd-CLUSTER-NODE-UTC-rREVISION.tar.zst, or ….tar.zst.age; owned by the caller. NULL: no memory. */
char *copy_name(const char *cluster, const char *node, uint64_t started_usec, int64_t revision,
                bool encrypted);
bool copy_is_encrypted(const char *name);

/* DIRECTORY/NAMESUFFIX; owned by the caller. NULL: no memory. */
char *copy_path(const char *directory, const char *name, const char *suffix);

/* A directory that does not exist holds none. */
int copies_load(const char *directory, const char *cluster, const char *node, struct copies *ret);

/* The newest whole copy, or NULL. */
const struct copy *copies_newest(const struct copies *copies);

/* Removes the manifest first and then the archive, so that what a crash between them leaves is no copy. */
int copy_remove(const char *directory, const struct copy *copy);

/* Removes what killed runs of ours left: temporary files, and archives whose manifest was never published.
 * Only for who holds the lock, since a running snapshot looks the same. Returns how many went, or -errno. */
int copies_sweep(const char *directory, const char *cluster, const char *node);
