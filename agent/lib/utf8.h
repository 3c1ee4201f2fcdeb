/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* UTF-8 (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Length of the well-formed sequence at p, which lies before end; or 0. */
size_t utf8_length(const char *p, const char *end);

/* Writes a character's one to four bytes. Returns how many. */
size_t utf8_put(uint32_t character, char buffer[static 4]);
