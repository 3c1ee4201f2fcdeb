/* SPDX-License-Identifier: Apache-2.0 */

#include "loaded-list.h"

#include <string.h>

#include "commit.h"
#include "fault-point.h"
#include "set.h"
#include "timestamp.h"

char *set_name(enum source_class class, enum ip_family family, const struct shard *shard,
               char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "%s_%s_%u_%u", source_class_name(class), ip_family_name(family),
                       shard->generation, shard->number);
        return buffer;
}

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

struct place {
        enum source_class class;
        enum ip_family family;
        size_t next; /* of the shards there */
};

/* Goes on to the next shard that the kernel has not, which is then of the place's class and family. */
static struct shard *next_new(const struct loaded_list *loaded, struct place *at)
{
        while (at->class < CLASSES) {
                const struct shards *shards = &loaded->shards[at->class][at->family];

                while (at->next < shards->count) {
                        struct shard *shard = &shards->items[at->next++];

                        if (shard->generation == loaded->generation)
                                return shard;
                }
                at->next = 0;
                if (++at->family == IP_FAMILIES) {
                        at->family = 0;
                        at->class ++;
                }
        }
        return NULL;
}

/* Numbers the slices from 1, unless all of it has room beside the rules. Returns how many. */
static uint32_t plan(const struct loaded_list *loaded, size_t *room)
{
        size_t all = 0, in_slice = 0;
        struct shard *shard;
        uint32_t slices = 0;

        for (struct place at = {}; (shard = next_new(loaded, &at));)
                all += shard->count;
        if (all <= *room) {
                *room -= all;
                return 0;
        }
        for (struct place at = {}; (shard = next_new(loaded, &at)); in_slice += shard->count) {
                if (slices == 0 || in_slice + shard->count > SLICE_MAX) {
                        slices++;
                        in_slice = 0;
                }
                shard->slice = slices;
        }
        return slices;
}

static int put_slice(const struct loaded_list *loaded, uint32_t slice, struct batch *batch)
{
        char name[SET_NAME_SIZE];
        struct shard *shard;
        int r = 0;

        for (struct place at = {}; r >= 0 && (shard = next_new(loaded, &at));)
                if (shard->slice == slice)
                        r = set_put_ranges(batch, set_name(at.class, at.family, shard, name), at.family,
                                           &loaded->list->sets[at.class][at.family].items[shard->first],
                                           shard->count);
        return r;
}

int loaded_list_put_rest(const struct loaded_list *loaded, struct batch *batch)
{
        return put_slice(loaded, SLICE_REST, batch);
}

/* Makes the table, too, if it is not there. No rule refers to the sets yet, so others may come between. */
static int load_slice(struct netlink *netlink, const struct loaded_list *loaded, uint32_t slice)
{
        const uint64_t deadline_usec = now_boottime_usec() + COMMIT_USEC;
        int r;

        do {
                _cleanup_(batch_freep) struct batch *batch = NULL;

                r = batch_new(&batch);
                if (r >= 0)
                        r = commit_put_table(batch);
                if (r >= 0)
                        r = put_slice(loaded, slice, batch);
                if (r >= 0)
                        r = netlink_commit(netlink, batch, ANY_GENERATION);
        } while (r == -EAGAIN && now_boottime_usec() < deadline_usec);
        return r;
}

static void forget(struct shards *shards, enum source_class class, enum ip_family family, const char *name)
{
        char its_name[SET_NAME_SIZE];
        size_t kept = 0;

        for (size_t i = 0; i < shards->count; i++)
                if (strcmp(set_name(class, family, &shards->items[i], its_name), name) != 0)
                        shards->items[kept++] = shards->items[i];
        shards->count = kept;
}

void loaded_list_forget(struct loaded_list *loaded, const char *name)
{
        for (enum source_class c = 0; c < CLASSES; c++)
                for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                        forget(&loaded->shards[c][f], c, f, name);
}

static int cut_all(struct loaded_list *loaded, const struct loaded_list *before)
{
        static const struct shards none;
        int r = 0;

        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                        r = shards_cut(&loaded->list->sets[c][f], before ? &before->list->sets[c][f] : NULL,
                                       before ? &before->shards[c][f] : &none, loaded->generation,
                                       &loaded->shards[c][f]);
        return r;
}

int loaded_list_make(struct netlink *netlink, struct filter_list *list, const struct loaded_list *before,
                     uint32_t generation, size_t *room, struct loaded_list **ret)
{
        _cleanup_(loaded_list_freep) struct loaded_list *loaded = calloc(1, sizeof(*loaded));
        uint32_t slices;
        int r;

        if (!loaded)
                return -ENOMEM;
        loaded->list = filter_list_ref(list);
        loaded->generation = generation;
        r = cut_all(loaded, before);
        if (r < 0)
                return r;
        slices = plan(loaded, room);
        for (uint32_t i = 1; r >= 0 && i <= slices; i++) {
                r = load_slice(netlink, loaded, i);
                FAULT_POINT("kube-api-filter-slice");
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loaded);
        return 0;
}
