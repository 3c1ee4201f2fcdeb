/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copies in a directory, and what makes something a copy anywhere: a name of our form and a manifest that
 * names the same cluster and node; everything else that may lie there is never touched. */

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
        struct copy *items; /* by cluster and node, each node's newest first, by sequence number */
        size_t count;
};
#define _cleanup_copies_ _cleanup_(copies_clear) struct copies
void copies_clear(struct copies *copies);

/* etcd-CLUSTER-NODE-UTC-rREVISION.tar.zst, or ….tar.zst.age; owned by the caller. NULL: no memory. */
char *copy_name(const char *cluster, const char *node, uint64_t started_usec, int64_t revision,
                bool encrypted);
bool copy_is_encrypted(const char *name);

/* Whether a name (of `size` bytes) is one that copy_name makes for this cluster and node. */
bool copy_name_is_of(const char *name, size_t size, const char *cluster, const char *node);

/* Whether the manifest is that of a copy named so (in `size` bytes), and of this cluster and node (NULL: of
 * any). */
bool copy_is_of(const struct manifest *manifest, const char *name, size_t size, const char *cluster,
                const char *node);

/* Takes the manifest over, also on failure (-ENOMEM). */
int copies_add(struct copies *copies, struct manifest *manifest, bool whole);
void copies_sort(struct copies *copies);

/* DIRECTORY/NAMESUFFIX; owned by the caller. NULL: no memory. */
char *copy_path(const char *directory, const char *name, const char *suffix);

/* Those of the cluster and node (NULL: of any). A directory that does not exist holds none. */
int copies_load(const char *directory, const char *cluster, const char *node, struct copies *ret);

/* The newest whole copy of a list of one node's, or NULL. */
const struct copy *copies_newest(const struct copies *copies);

/* Removes the manifest first and then the archive, so that what a crash between them leaves is no copy. */
int copy_remove(const char *directory, const struct copy *copy);

/* Removes what killed runs of ours left: temporary files, and archives whose manifest was never published.
 * Only for who holds the lock, since a running snapshot looks the same. Returns how many went, or -errno. */
int copies_sweep(const char *directory, const char *cluster, const char *node);
