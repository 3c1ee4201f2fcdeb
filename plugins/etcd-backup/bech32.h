/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bech32 (BIP 173) of keys: a prefix, "1", the bytes five bits a character, and a checksum that finds typing
 * errors. Without BIP 173's limit of 90 characters, as age has it. */

#include <stddef.h>
#include <stdint.h>

#define BECH32_CHECKSUM_SIZE 6
#define BECH32_BYTES_MAX     64

/* Characters of an encoding with its NUL. prefix_size: strlen of the prefix. */
#define BECH32_TEXT_SIZE(prefix_size, size) \
        ((prefix_size) + 1 + ((size)*8 + 4) / 5 + BECH32_CHECKSUM_SIZE + 1)

/* The lower-case text of `size` bytes under a lower-case prefix, into BECH32_TEXT_SIZE characters. */
char *bech32_encode(const char *prefix, const uint8_t *data, size_t size, char *buffer);

/* The `size` (at most BECH32_BYTES_MAX) bytes of a text, upper or lower case but not mixed, with this
 * (lower-case) prefix. Returns -EINVAL when it is no Bech32, has another prefix, or holds another number of
 * bytes. */
int bech32_decode(const char *prefix, const char *text, uint8_t *ret_data, size_t size);
