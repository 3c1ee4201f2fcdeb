/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Copies as a snapshot run would leave them, without an etcd. */

#include <stddef.h>
#include <stdint.h>

#include "manifest.h"

/* A manifest with every field set, without the part about the stored file. */
struct manifest *sample_manifest(const char *cluster, const char *node, uint64_t sequence);

/* Compressed bytes in memory; the sink of an archive writer. */
struct bytes {
        uint8_t *data;
        size_t size;
};
void bytes_clear(struct bytes *bytes);
int bytes_append(const void *data, size_t size, void *userdata);

/* An archive around a database, with its manifest inside; sets the manifest's sizes and hashes. */
void make_archive_of(struct manifest *manifest, const uint8_t *db, size_t size, struct bytes *ret);
/* The same around `size` bytes that are no database, for what does not walk through it. */
void make_archive(struct manifest *manifest, size_t size, struct bytes *ret);

/* Archive and manifest in the directory; returns the copy's name, owned by the caller. */
char *place_copy(const char *directory, const char *cluster, const char *node, uint64_t sequence);

/* Enters size and SHA-256 of what is stored into the manifest. */
void manifest_take_stored(struct manifest *manifest, const struct bytes *stored);
