/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who vouches for a manifest, and with it for the data whose hashes it holds: HMAC-SHA256 with a key that
 * whoever can write to a target does not have.
 *
 * It is taken over the manifest in the canonical form of RFC 8785 without the top-level member "hmac": no
 * blanks, members sorted by name, strings with only those escapes that JSON demands. Names are ASCII and
 * numbers whole and below 2^53, where that form is what `jq -cjS 'del(.hmac)' MANIFEST` prints. So any tool
 * can check it:
 *
 *     jq -cjS 'del(.hmac)' MANIFEST | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(xxd -p -c0 KEYFILE)
 */

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "digest.h"
#include "failure.h"

#define AUTHENTICATION_KEY_MIN 32 /* as strong as the hash */
#define AUTHENTICATION_KEY_MAX 4096

struct authentication_key {
        char *data; /* NULL: there is none */
        size_t size;
};
#define _cleanup_authentication_key_ _cleanup_(authentication_key_clear) struct authentication_key
void authentication_key_clear(struct authentication_key *key); /* zeroes it */

/* Every byte of the file counts, also a line feed at its end. -EINVAL with a failure
 * (AuthenticationKeyInvalid) when it is too short or too long; file_read_secret's errors. */
int authentication_key_load(const char *path, struct authentication_key *ret, struct failure *failure);

/* The canonical form of a manifest, owned by the caller. */
int authenticity_canonical(json_object *manifest, char **ret_text);

int authenticity_mac(const struct authentication_key *key, const char *canonical,
                     uint8_t ret_mac[static SHA256_SIZE]);
