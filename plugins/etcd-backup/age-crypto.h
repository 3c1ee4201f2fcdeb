/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The primitives of age on OpenSSL: X25519 (RFC 7748), HKDF (RFC 5869) and HMAC (RFC 2104) with SHA-256, and
 * ChaCha20-Poly1305 (RFC 8439) in one piece. -EIO when OpenSSL fails. */

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "age-key.h"
#include "cleanup.h"

#define AGE_TAG_SIZE   16
#define AGE_NONCE_SIZE 12 /* of ChaCha20-Poly1305 */
#define AGE_MAC_SIZE   32

/* A piece of memory. */
struct age_bytes {
        const void *data;
        size_t size;
};

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

/* -EBADMSG when the result is all zero, which a peer's point of low order would make it. */
int age_x25519(EVP_PKEY *secret, const uint8_t peer[static AGE_KEY_SIZE], uint8_t ret[static AGE_KEY_SIZE]);

int age_derive(struct age_bytes secret, struct age_bytes salt, const char *info,
               uint8_t ret[static AGE_KEY_SIZE]);

/* The MAC of the header up to and including "---". */
int age_header_mac(const struct age_file_key *key, const void *header, size_t size,
                   uint8_t ret[static AGE_MAC_SIZE]);

/* ret_sealed: size + AGE_TAG_SIZE bytes; it may be where data is. */
int age_seal(EVP_CIPHER_CTX *cipher, const uint8_t nonce[static AGE_NONCE_SIZE], const uint8_t *data,
             size_t size, uint8_t *ret_sealed);
/* ret_data: size - AGE_TAG_SIZE bytes; it may be where sealed is. -EBADMSG when the tag is not right; what
 * ret_data holds then is nobody's. */
int age_open(EVP_CIPHER_CTX *cipher, const uint8_t nonce[static AGE_NONCE_SIZE], const uint8_t *sealed,
             size_t size, uint8_t *ret_data);
/* The context of a key for both. */
int age_cipher_new(const uint8_t key[static AGE_KEY_SIZE], EVP_CIPHER_CTX **ret);
