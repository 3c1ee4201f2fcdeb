/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Encryption in the format age v1 (https://c2sp.org/age) for X25519 recipients, so that `age -d` opens what
 * is made here, and what `age -r` made opens here. Streaming: at most one chunk of 64 KiB is held. Who only
 * encrypts holds nothing that decrypts. */

#include <stddef.h>
#include <stdint.h>

#include "age-key.h"
#include "cleanup.h"
#include "failure.h"

#define AGE_CHUNK_SIZE (64 * 1024)

/* The header is held as a whole, because its MAC can only be checked when its end is there. This is room for
 * 600 recipients. */
#define AGE_HEADER_SIZE_MAX (64 * 1024)

/* Where bytes go. Negative errno ends the work and is its result. */
typedef int (*age_sink_fn)(const void *data, size_t size, void *userdata);

struct age_encryptor;
/* Gives the header to the sink at once. -EINVAL when there is no recipient. */
int age_encryptor_new(const struct age_recipient *recipients, size_t count, age_sink_fn sink, void *userdata,
                      struct age_encryptor **ret);
int age_encryptor_add(struct age_encryptor *encryptor, const void *data, size_t size);
int age_encryptor_finish(struct age_encryptor *encryptor);
struct age_encryptor *age_encryptor_free(struct age_encryptor *encryptor);
DEFINE_CLEANUP(struct age_encryptor *, age_encryptor_free)

/* The key of this one file, with which its writer can read it back although it has no identity. Never to be
 * stored; age_file_key_clear when the proof is done. */
void age_encryptor_file_key(const struct age_encryptor *encryptor, struct age_file_key *ret);

/* What opens a file: identities, or its own key. */
struct age_opener {
        const struct age_identities *identities;
        const struct age_file_key *file_key; /* goes first */
};

struct age_decryptor;
/* The sink gets only bytes that are authentic, each chunk when it has proven to be. */
int age_decryptor_new(const struct age_opener *opener, age_sink_fn sink, void *userdata,
                      struct age_decryptor **ret);
/* Takes encrypted bytes. -EBADMSG with a failure (EncryptionDamaged) when they are no age file, or one that
 * was changed; -ENOKEY (NotARecipient) when none of the identities opens it; -EOPNOTSUPP
 * (EncryptionUnsupported) when it is protected by a passphrase. */
int age_decryptor_feed(struct age_decryptor *decryptor, const void *data, size_t size,
                       struct failure *failure);
/* Likewise; also -EBADMSG when the file is not at its end. */
int age_decryptor_finish(struct age_decryptor *decryptor, struct failure *failure);
struct age_decryptor *age_decryptor_free(struct age_decryptor *decryptor);
DEFINE_CLEANUP(struct age_decryptor *, age_decryptor_free)
