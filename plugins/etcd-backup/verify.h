/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Proof that stored bytes are a snapshot: decompressed, taken apart, hashed again, and the database in it
 * walked through. */

#include <stdbool.h>

#include "age.h"
#include "copies.h"
#include "etcd-database.h"
#include "interrupt.h"

/* What an archive turns out to hold. */
struct archive_facts {
        uint64_t stored_size, raw_size;
        uint8_t stored_sha256[SHA256_SIZE], raw_sha256[SHA256_SIZE];
        struct manifest *manifest; /* the one inside */
        bool walked;
        struct etcd_database database; /* if walked */
        struct failure unwalked;       /* if not, why */
        int walk_error;                /* the same */
};
#define _cleanup_facts_ _cleanup_(archive_facts_clear) struct archive_facts
void archive_facts_clear(struct archive_facts *facts);

/* Reads the archive from its beginning, from the disk if the kernel lets go of its cache, and walks through
 * its database on the way; what it must remember lies in one of the directories (a list that ends with NULL).
 * Where one pass does not do, the database is taken out into a scratch file there in a second one. NULL: does
 * not walk, as when the database is known by its hash and was walked before it was stored. Nor does it where
 * there is no room; the hashes must be right all the same. opener is for one that is encrypted, else NULL.
 * -EBADMSG with a failure when the archive is damaged, when etcd's hash at the end of snapshot.db is not that
 * of the database, or for etcd_database_read's reasons; age_decryptor_feed's errors. */
int archive_examine(int fd, const struct age_opener *opener, const char *const *scratch_directories,
                    const struct interrupt *interrupt, struct archive_facts *ret, struct failure *failure);

/* The same for a snapshot.db as etcd's own tools save it, with the hash at its end (-EBADMSG with HashMissing
 * when there is none). Such a one has no manifest. */
int snapshot_file_examine(int fd, const char *const *scratch_directories, const struct interrupt *interrupt,
                          struct archive_facts *ret, struct failure *failure);

/* Whether what an archive holds is what the manifest beside it claims; -EBADMSG with a failure. */
int archive_facts_match(const struct archive_facts *facts, const struct manifest *manifest,
                        struct failure *failure);

/* Whether the bytes in the file are those that the manifest names, whatever they are; -EBADMSG with a
 * failure. */
int stored_bytes_match(int fd, const struct manifest *manifest, const struct interrupt *interrupt,
                       struct failure *failure);

/* The same for a file that was just written, by its CRC-32C, which takes a quarter of the time: what a disk
 * does to bytes does not aim at a checksum. Reads from the disk itself where the file system can. */
int stored_crc_match(int fd, uint64_t stored_size, uint32_t crc, const struct interrupt *interrupt,
                     struct failure *failure);

/* The first two for a stored copy; the last for an encrypted one without an opener, which leaves *ret as it
 * is.
 */
int stored_copy_verify(int fd, const struct manifest *manifest, const struct age_opener *opener,
                       const char *const *scratch_directories, const struct interrupt *interrupt,
                       struct archive_facts *ret, struct failure *failure);

/* The same for a copy in a directory. The database is taken apart in scratch_dir, or else, if the copy is not
 * encrypted, beside it. */
int copy_verify(const char *directory, const struct copy *copy, const struct age_opener *opener,
                const char *scratch_dir, const struct interrupt *interrupt, struct archive_facts *ret,
                struct failure *failure);
