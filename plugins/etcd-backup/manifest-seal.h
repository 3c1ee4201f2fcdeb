/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The part of a manifest that says who can read the stored file, and who vouches for it:
 * "encryption": { "format": "age-encryption.org/v1", "recipients": ["age1…"] } and "hmac": "…"
 * (authenticity.h). */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "authenticity.h"
#include "config.h"
#include "failure.h"

/* All empty for a copy that is neither encrypted nor authenticated. */
struct manifest_seal {
        struct config_strings recipients; /* of age; the identity of any opens it */
        bool has_mac;
        uint8_t mac[SHA256_SIZE];
        char *canonical; /* what the MAC is over; NULL in a manifest that was not parsed */
};
void manifest_seal_clear(struct manifest_seal *seal);

/* Copies the names. */
int manifest_seal_recipients(struct manifest_seal *seal, const struct config_strings *recipients);

/* Adds it to a manifest's object. */
int manifest_seal_write(const struct manifest_seal *seal, json_object *object);
/* From a manifest's object. -EINVAL with a failure for another form. */
int manifest_seal_read(json_object *object, struct manifest_seal *seal, struct failure *failure);

/* Computes the MAC of a manifest that is otherwise ready to be written. */
struct manifest;
int manifest_authenticate(struct manifest *manifest, const struct authentication_key *key);
