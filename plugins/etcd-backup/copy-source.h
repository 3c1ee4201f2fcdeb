/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copy that a restore or a drill works on: found, fetched, proven to be ours, opened. */

#include "configuration.h"
#include "proof.h"

struct copy_source {
        char *description; /* for people: the file, or the copy and its target */
        char *name;        /* the copy's */
        char *target;      /* NULL: a file that was named */
        struct manifest *manifest;
        int fd; /* the archive's */
};
#define COPY_SOURCE_NONE     \
        {                    \
                .fd = -EBADF \
        }
void copy_source_clear(struct copy_source *source);
#define _cleanup_copy_source_ _cleanup_(copy_source_clear) struct copy_source

/* `what`: a file (anything with a slash), a directory of copies likewise (the newest of the cluster in it),
 * the name of a copy, or "newest". The latter two are looked for at the target, NULL: at each in turn. `node`
 * limits "newest" to that node's copies; NULL: any node's of the cluster. An archive without a manifest
 * beside it has none to vouch for it, and is refused (ManifestMissing). Returns 0, or negative errno with a
 * failure. */
int copy_source_find(const struct backup_config *config, const char *root, const char *state_dir,
                     const char *what, const char *target, const char *node, struct copy_source *ret,
                     struct failure *failure);

/* Proves the copy with the means, without keeping what is inside: for a dry run. */
int copy_source_prove(const struct copy_source *source, const struct proof_means *means,
                      struct etcd_database *ret, struct failure *failure);

/* Writes snapshot.db to the path (0600, atomically), proven: HMAC if there is a key, every hash, and a walk
 * through the database. */
int copy_source_extract(const struct copy_source *source, const struct proof_means *means, const char *path,
                        struct etcd_database *ret, struct failure *failure);

/* Walks through an extracted snapshot.db again and holds it against the manifest. */
int snapshot_file_check(const char *path, const struct manifest *manifest, struct etcd_database *ret,
                        struct failure *failure);
