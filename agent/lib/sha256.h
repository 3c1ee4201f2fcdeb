/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256 (FIPS 180-4) of short texts, for programs that would map OpenSSL for nothing else: its relocations
 * and tables are half a megabyte of each process. What hashes much takes digest.h's hasher, which uses the
 * CPU's instructions for it. */

#include <stddef.h>
#include <stdint.h>

void sha256(const void *data, size_t size, uint8_t ret_digest[static 32]);
