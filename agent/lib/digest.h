/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256 (FIPS 180-4) on OpenSSL. */

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define SHA256_SIZE      32
#define SHA256_TEXT_SIZE (7 + 2 * SHA256_SIZE + 1) /* "sha256:" and hexadecimal digits */

struct hasher;
int hasher_new(struct hasher **ret);
int hasher_add(struct hasher *hasher, const void *data, size_t size);
/* The digest of all bytes so far; more may follow. */
int hasher_peek(const struct hasher *hasher, uint8_t ret_digest[static SHA256_SIZE]);
int hasher_finish(struct hasher *hasher, uint8_t ret_digest[static SHA256_SIZE]);
struct hasher *hasher_free(struct hasher *hasher);
DEFINE_CLEANUP(struct hasher *, hasher_free)

/* "sha256:…" of a buffer, as reports and manifests carry it; without OpenSSL (digest-text.c). Returns 0. */
int digest_text(const void *data, size_t size, char ret_text[static SHA256_TEXT_SIZE]);
char *digest_format(const uint8_t digest[static SHA256_SIZE], char buffer[static SHA256_TEXT_SIZE]);
