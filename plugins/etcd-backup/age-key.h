/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* age's X25519 keys: recipients ("age1…") encrypt, identities ("AGE-SECRET-KEY-1…") decrypt. */

#include <stddef.h>
#include <stdint.h>

#include "bech32.h"
#include "cleanup.h"
#include "failure.h"

#define AGE_KEY_SIZE            32
#define AGE_FILE_KEY_SIZE       16
#define AGE_RECIPIENT_TEXT_SIZE BECH32_TEXT_SIZE(3, AGE_KEY_SIZE)
#define AGE_IDENTITIES_MAX      64

struct age_recipient {
        uint8_t key[AGE_KEY_SIZE];
};

struct age_identity {
        uint8_t secret[AGE_KEY_SIZE];
        struct age_recipient recipient; /* whom it opens for */
};

struct age_file_key {
        uint8_t key[AGE_FILE_KEY_SIZE];
};
void age_file_key_clear(struct age_file_key *key); /* zeroes it */

struct age_identities {
        struct age_identity *items;
        size_t count;
};
#define _cleanup_identities_ _cleanup_(age_identities_clear) struct age_identities
void age_identities_clear(struct age_identities *identities); /* zeroes and frees them */

/* Returns -EINVAL for what is no X25519 recipient, or one to which anybody could decrypt (a point of low
 * order).
 */
int age_recipient_parse(const char *text, struct age_recipient *ret);
char *age_recipient_format(const struct age_recipient *recipient,
                           char buffer[static AGE_RECIPIENT_TEXT_SIZE]);

/* -EINVAL for what is no X25519 identity. */
int age_identity_parse(const char *text, struct age_identity *ret);

/* The identities in the text of a key file as age-keygen writes it: one a line, with empty lines and lines
 * that begin with "#". Returns -EINVAL with a failure (IdentityInvalid) that never shows the line. */
int age_identities_parse(const char *text, struct age_identities *ret, struct failure *failure);

/* age_identities_parse of a file that only its owner can read. */
int age_identities_load(const char *path, struct age_identities *ret, struct failure *failure);
