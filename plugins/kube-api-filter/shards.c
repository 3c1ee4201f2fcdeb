/* SPDX-License-Identifier: Apache-2.0 */

#include "shards.h"

#include <string.h>

void shards_clear(struct shards *shards)
{
        free(shards->items);
        *shards = (struct shards){};
}

static int append(struct shards *shards, struct shard shard)
{
        struct shard *grown = reallocarray(shards->items, shards->count + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        shards->items = grown;
        grown[shards->count++] = shard;
        return 0;
}

/* Whether the set has all ranges of the shard and no other between them; ret_at is where. */
static bool has_shard(const struct cidr_set *set, const struct cidr_set *before_set,
                      const struct shard *shard, size_t *ret_at)
{
        const struct cidr_range *ranges = &before_set->items[shard->first];
        size_t at = cidr_set_position(set, ranges->first);

        if (set->count - at < shard->count ||
            memcmp(&set->items[at], ranges, shard->count * sizeof(*ranges)) != 0)
                return false;
        *ret_at = at;
        return true;
}

/* Cuts the ranges from first to end (exclusive) into as few shards as can be, of the same size. */
static int cut(struct shards *shards, size_t first, size_t end, uint32_t generation, uint32_t *number)
{
        size_t count = end - first, parts = (count + SHARD_MAX - 1) / SHARD_MAX;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < parts; i++) {
                size_t size = count / parts + (i < count % parts);

                r = append(shards, (struct shard){ .generation = generation,
                                                   .number = ++*number,
                                                   .first = first,
                                                   .count = size });
                first += size;
        }
        return r;
}

int shards_cut(const struct cidr_set *set, const struct cidr_set *before_set, const struct shards *before,
               uint32_t generation, struct shards *ret)
{
        _cleanup_shards_ shards = {};
        uint32_t number = 0;
        size_t at = 0; /* all ranges before it are in shards */
        int r = 0;

        for (size_t i = 0; r >= 0 && i <= before->count; i++) {
                const struct shard *kept = i < before->count ? &before->items[i] : NULL;
                size_t end = set->count;

                if (kept && !has_shard(set, before_set, kept, &end))
                        continue;
                if (end > at && end - at < SHARD_MIN) {
                        if (kept)
                                continue;
                        if (shards.count > 0)
                                at = shards.items[--shards.count].first;
                }
                r = cut(&shards, at, end, generation, &number);
                if (r < 0 || !kept)
                        continue;
                r = append(&shards, (struct shard){ .generation = kept->generation,
                                                    .number = kept->number,
                                                    .first = end,
                                                    .count = kept->count });
                at = end + kept->count;
        }
        if (r < 0)
                return r;
        *ret = shards;
        shards = (struct shards){};
        return 0;
}
