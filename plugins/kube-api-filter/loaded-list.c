/* SPDX-License-Identifier: Apache-2.0 */

#include "loaded-list.h"

#include "set.h"

struct loaded_list *loaded_list_free(struct loaded_list *loaded)
{
        if (!loaded)
                return NULL;
        for (size_t c = 0; c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++)
                        shards_clear(&loaded->shards[c][f]);
        filter_list_unref(loaded->list);
        free(loaded);
        return NULL;
}

static int load_shards(struct netlink *netlink, const struct loaded_list *loaded, enum source_class class,
                       enum ip_family family)
{
        const struct shards *shards = &loaded->shards[class][family];
        char name[SET_NAME_SIZE];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < shards->count; i++) {
                const struct shard *shard = &shards->items[i];

                if (shard->generation == loaded->generation)
                        r = set_load(netlink, set_name(class, family, shard, name), family,
                                     &loaded->list->sets[class][family].items[shard->first], shard->count);
        }
        return r;
}

int loaded_list_make(struct netlink *netlink, struct filter_list *list, const struct loaded_list *before,
                     uint32_t generation, struct loaded_list **ret)
{
        static const struct shards none;
        _cleanup_(loaded_list_freep) struct loaded_list *loaded = calloc(1, sizeof(*loaded));
        int r = 0;

        if (!loaded)
                return -ENOMEM;
        loaded->list = filter_list_ref(list);
        loaded->generation = generation;
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                        r = shards_cut(&list->sets[c][f], before ? &before->list->sets[c][f] : NULL,
                                       before ? &before->shards[c][f] : &none, generation,
                                       &loaded->shards[c][f]);
                        if (r >= 0)
                                r = load_shards(netlink, loaded, c, f);
                }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loaded);
        return 0;
}
