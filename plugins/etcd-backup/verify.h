/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Proof that stored bytes are a snapshot: decompressed, taken apart and hashed again. */

#include <stdbool.h>

#include "age.h"
#include "copies.h"

/* What an archive turns out to hold. */
struct archive_facts {
        uint64_t stored_size, raw_size;
        uint8_t stored_sha256[SHA256_SIZE], raw_sha256[SHA256_SIZE];
        struct manifest *manifest; /* the one inside */
};
#define _cleanup_facts_ _cleanup_(archive_facts_clear) struct archive_facts
void archive_facts_clear(struct archive_facts *facts);

/* Long work asks this now and then; true ends it with -ECANCELED. */
struct interrupt {
        bool (*asked)(void *userdata);
        void *userdata;
};

/* Reads the archive from its beginning, from the disk if the kernel lets go of its cache. opener is for one
 * that is encrypted, else NULL. -EBADMSG with a failure when it is damaged, or when etcd's hash at the end of
 * snapshot.db is not that of the database; age_decryptor_feed's errors. */
int archive_examine(int fd, const struct age_opener *opener, const struct interrupt *interrupt,
                    struct archive_facts *ret, struct failure *failure);

/* Whether what an archive holds is what the manifest beside it claims; -EBADMSG with a failure. */
int archive_facts_match(const struct archive_facts *facts, const struct manifest *manifest,
                        struct failure *failure);

/* Whether the bytes in the file are those that the manifest names, whatever they are; -EBADMSG with a
 * failure. */
int stored_bytes_match(int fd, const struct manifest *manifest, const struct interrupt *interrupt,
                       struct failure *failure);

/* The first two for a copy in a directory; the last for an encrypted one without an opener. */
int copy_verify(const char *directory, const struct copy *copy, const struct age_opener *opener,
                const struct interrupt *interrupt, struct failure *failure);
