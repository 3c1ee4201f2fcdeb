/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The form of a JSON text. Part of json.c. */

#include <stddef.h>

#include "failure.h"

/* The text is read twice. json-c makes the tree, but even its strict mode lets through what RFC 8259 forbids
 * (NaN, leading zeros, control characters in strings, overlong UTF-8), silently takes the last of two equal
 * keys and cuts strings at "\u0000" when they are read as C strings. So this scanner first holds the
 * text against the whole grammar; it also knows where an error is and what a person probably meant. */

/* Returns 0; -EINVAL with the failure InvalidJSON, "LINE:COLUMN: what is wrong"; or -ENOMEM. */
int json_scan(const char *text, size_t size, struct failure *failure);
