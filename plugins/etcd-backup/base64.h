/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Base 64 (RFC 4648, 4) without padding and in its one canonical form, as age's header has it. */

#include <stddef.h>
#include <stdint.h>

#define BASE64_LENGTH(size) (((size)*8 + 5) / 6)

/* The text with its NUL, BASE64_LENGTH(size) + 1 characters. */
char *base64_encode(const uint8_t *data, size_t size, char *buffer);

/* Decodes `length` characters into length * 3 / 4 bytes. -EINVAL for other characters (padding is one), a
 * length that no encoding has, and bits behind the last byte that are not zero. */
int base64_decode(const char *text, size_t length, uint8_t *ret_data);
