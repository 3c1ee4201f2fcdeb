/* SPDX-License-Identifier: Apache-2.0 */

#include "loaded-list.h"

#include <string.h>

#include "set.h"

/* A difference may have so many ranges, or this part of the whole, before the whole is loaded anew. */
#define DIFFERENCE_MIN  64
#define DIFFERENCE_PART 16

struct loaded_list *loaded_list_free(struct loaded_list *loaded)
{
        if (!loaded)
                return NULL;
        for (size_t c = 0; c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++)
                        filter_list_unref(loaded->sets[c][f].base_list);
        filter_list_unref(loaded->list);
        free(loaded);
        return NULL;
}

static bool same(const struct cidr_set *a, const struct cidr_set *b)
{
        return a->count == b->count &&
               (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}

struct load {
        struct netlink *netlink;
        struct filter_list *list;
        uint32_t generation;
        enum source_class class;
        enum ip_family family;
};

static int load_part(const struct load *load, enum set_part part, const struct cidr_set *set)
{
        char name[SET_NAME_SIZE];

        return set_load(load->netlink, set_name(load->class, load->family, part, load->generation, name),
                        load->family, set);
}

static int load_whole(const struct load *load, const struct cidr_set *set, struct loaded_set *ret)
{
        int r;

        r = load_part(load, SET_BASE, set);
        if (r < 0)
                return r;
        *ret = (struct loaded_set){ .base = load->generation, .base_list = filter_list_ref(load->list) };
        return 0;
}

/* Returns 0, or -E2BIG when the difference is no small one. */
static int load_difference(const struct load *load, const struct loaded_set *before,
                           const struct cidr_set *set, struct loaded_set *ret)
{
        const struct cidr_set *base = &before->base_list->sets[load->class][load->family];
        size_t most = base->count / DIFFERENCE_PART > DIFFERENCE_MIN ? base->count / DIFFERENCE_PART
                                                                     : DIFFERENCE_MIN;
        _cleanup_cidr_set_ plus = {}, minus = {};
        int r;

        r = cidr_set_subtract(set, base, &plus);
        if (r >= 0)
                r = cidr_set_subtract(base, set, &minus);
        if (r >= 0 && (plus.count + minus.count > most || plus.count + minus.count >= set->count))
                r = -E2BIG;
        if (r >= 0 && plus.count > 0)
                r = load_part(load, SET_PLUS, &plus);
        if (r >= 0 && minus.count > 0)
                r = load_part(load, SET_MINUS, &minus);
        if (r < 0)
                return r;
        *ret = (struct loaded_set){
                .base = before->base,
                .plus = plus.count > 0 ? load->generation : 0,
                .minus = minus.count > 0 ? load->generation : 0,
                .base_list = filter_list_ref(before->base_list),
        };
        return 0;
}

static int load_set(const struct load *load, const struct loaded_list *before, struct loaded_set *ret)
{
        const struct cidr_set *set = &load->list->sets[load->class][load->family];
        const struct loaded_set *known = before ? &before->sets[load->class][load->family] : NULL;
        int r = -E2BIG;

        if (set->count == 0)
                return 0;
        if (known && same(set, &before->list->sets[load->class][load->family])) {
                *ret = *known;
                if (ret->base_list)
                        filter_list_ref(ret->base_list);
                return 0;
        }
        if (known && known->base_list)
                r = load_difference(load, known, set, ret);
        return r == -E2BIG ? load_whole(load, set, ret) : r;
}

int loaded_list_make(struct netlink *netlink, struct filter_list *list, const struct loaded_list *before,
                     uint32_t generation, struct loaded_list **ret)
{
        _cleanup_(loaded_list_freep) struct loaded_list *loaded = calloc(1, sizeof(*loaded));
        struct load load = { .netlink = netlink, .list = list, .generation = generation };
        int r;

        if (!loaded)
                return -ENOMEM;
        loaded->list = filter_list_ref(list);
        loaded->generation = generation;
        r = ruleset_make_table(netlink);
        for (load.class = 0; r >= 0 && load.class < CLASSES; load.class ++)
                for (load.family = 0; r >= 0 && load.family < IP_FAMILIES; load.family++)
                        r = load_set(&load, before, &loaded->sets[load.class][load.family]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loaded);
        return 0;
}
