/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A target during one snapshot run. It fails for itself: the others go on. */

#include <stdbool.h>

#include "configuration.h"
#include "files.h"
#include "manifest.h"
#include "prune.h"
#include "store.h"
#include "verify.h"

struct destination {
        const struct backup_target *target;
        struct store *store;
        char *directory; /* NULL: it is no directory, and gets its copies by destination_deliver */
        struct new_file file;
        uint64_t written;
        struct failure failure; /* why it failed; empty: it did not */

        bool attempted, delivered; /* by destination_deliver: it was tried; the new copy is there */
        bool surveyed;             /* by destination_survey, with … */
        struct copies copies;
};

bool destination_failed(const struct destination *destination);

/* Whether it is a directory that has not failed: the stream goes there. */
bool destination_takes_stream(const struct destination *destination);

/* Makes the directory, sweeps what killed runs left, and tells the highest sequence number there. What is no
 * directory is not asked before there is a copy for it. */
void destination_open(struct destination *destination, const struct backup_target *target, const char *root,
                      const char *cluster, const char *node, uint64_t *ret_sequence);
void destination_close(struct destination *destination); /* drops what was not published */

/* Whether `bytes` more would fit: the whole database, for it may not compress, and on most nodes etcd dies
 * with the disk that we fill. Then opens the file under construction; the name is for what a crash leaves,
 * the final one is the manifest's. */
void destination_begin(struct destination *destination, const char *name, uint64_t bytes);

void destination_write(struct destination *destination, const void *data, size_t size);

/* fsync, then reads back what was stored and proves it by its CRC-32C: the database was walked as it came.
 * Only if that did not do, walk_directories say where archive_examine may take it apart, and ret_facts gets
 * what it found; else NULL. opener: for this, NULL when it is not encrypted. */
void destination_verify(struct destination *destination, const struct manifest *manifest, uint32_t crc,
                        const struct age_opener *opener, const char *const *walk_directories,
                        const struct interrupt *interrupt, struct archive_facts *ret_facts);

/* The archive gets its name, then the manifest, which makes it a copy. */
void destination_publish(struct destination *destination, const struct manifest *manifest);

/* Carries out the retention. Returns how many copies went. */
unsigned destination_prune(struct destination *destination, const struct prune_request *request);
