/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lets a hasher work in a thread of its own while the caller looks at the same bytes. For programs that run
 * and end. */

#include <stddef.h>

#include "cleanup.h"
#include "digest.h"

struct side_hasher;

/* The hasher is borrowed, and is not to be used between side_hasher_add and side_hasher_wait. Returns 0,
 * -ENOMEM or -EAGAIN (no more threads). */
int side_hasher_new(struct hasher *hasher, struct side_hasher **ret);
struct side_hasher *side_hasher_free(struct side_hasher *side); /* waits for what is under way */
DEFINE_CLEANUP(struct side_hasher *, side_hasher_free)

/* Waits for the bytes before, and begins with these, which must stay as they are until the next call of any
 * of these. Returns 0, or -EIO of an earlier piece. */
int side_hasher_add(struct side_hasher *side, const void *data, size_t size);
int side_hasher_wait(struct side_hasher *side); /* for all of it; 0 or -EIO */
