/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A long list of ranges is cut into shards, each one set in the kernel. Since Linux 6.19 (7e43e0a1141d, in
 * 6.18.14 too) every transaction on a set of ranges walks all of it, and everybody else's transactions wait:
 * so none may be long. A change of the list changes the shards in which it is, and no other. */

#include <stddef.h>
#include <stdint.h>

#include "cidr.h"

/* What a transaction on one of them walks. */
#define SHARD_MAX 512
/* Fewer go together with the shard beside them, so that many small changes leave no crumbs. */
#define SHARD_MIN 128

/* Not loaded beforehand: comes with the rules. */
#define SLICE_REST 0

struct shard {
        uint32_t generation, number; /* which load it came with, and which of that: they name its set */
        uint32_t slice;              /* of that load */
        size_t first, count;         /* of the list's ranges */
};

struct shards {
        struct shard *items;
        size_t count;
};

/* Cuts a merged set. What before_set was cut into (before) is kept where the same ranges are there still; new
 * shards have this generation, which none of before may have. before may be empty. Returns 0 or -ENOMEM. */
int shards_cut(const struct cidr_set *set, const struct cidr_set *before_set, const struct shards *before,
               uint32_t generation, struct shards *ret);
void shards_clear(struct shards *shards);
#define _cleanup_shards_ _cleanup_(shards_clear) struct shards
