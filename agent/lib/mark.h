/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A number that tells texts apart, fast and without a library: two texts have the same once in 2^64, unless
 * somebody tries to, which nobody can who writes what the agent reads. */

#include <stddef.h>
#include <stdint.h>

#define MARK_START UINT64_C(0xcbf29ce484222325)

/* The mark of what `mark` is of, and then of the bytes. */
uint64_t mark_add(uint64_t mark, const void *data, size_t size);

/* Each bit of it depends on every bit of the mark. */
uint64_t mark_spread(uint64_t mark);
