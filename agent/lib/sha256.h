/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256 (FIPS 180-4) for programs that would map OpenSSL for nothing else: its relocations and tables are
 * half a megabyte of each process. A quarter of a gigabyte in a second; what hashes more than a few megabytes
 * takes digest.h's hasher, which uses the CPU's instructions for it. */

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64

struct sha256 {
        uint32_t hash[8];
        uint64_t size;               /* of all that was added */
        uint8_t block[SHA256_BLOCK]; /* its end, which does not fill one */
};

void sha256_begin(struct sha256 *sha256);
void sha256_add(struct sha256 *sha256, const void *data, size_t size);
void sha256_end(struct sha256 *sha256, uint8_t ret_digest[static 32]);

void sha256(const void *data, size_t size, uint8_t ret_digest[static 32]);
