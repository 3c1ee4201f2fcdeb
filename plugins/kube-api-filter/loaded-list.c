/* SPDX-License-Identifier: Apache-2.0 */

#include "loaded-list.h"

#include <string.h>

#include "set.h"

/* A difference may have so many ranges, or this part of the whole, before the whole is loaded anew. */
#define DIFFERENCE_MIN  64
#define DIFFERENCE_PART 16

static void loaded_set_clear(struct loaded_set *set)
{
        cidr_set_clear(&set->more);
        cidr_set_clear(&set->less);
}

struct loaded_list *loaded_list_free(struct loaded_list *loaded)
{
        if (!loaded)
                return NULL;
        for (size_t c = 0; c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++)
                        loaded_set_clear(&loaded->sets[c][f]);
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
        ret->base = load->generation;
        ret->base_count = set->count;
        return 0;
}

/* a without b, and what c has besides d. */
static int combine(const struct cidr_set *a, const struct cidr_set *b, const struct cidr_set *c,
                   const struct cidr_set *d, struct cidr_set *ret)
{
        _cleanup_cidr_set_ kept = {}, added = {};
        int r;

        r = cidr_set_subtract(a, b, &kept);
        if (r >= 0)
                r = cidr_set_subtract(c, d, &added);
        for (size_t i = 0; r >= 0 && i < added.count; i++)
                r = cidr_set_add(&kept, added.items[i].first, added.items[i].last);
        if (r < 0)
                return r;
        cidr_set_merge(&kept);
        *ret = kept;
        kept = (struct cidr_set){};
        return 0;
}

/* What more and less of the base become. The base itself is only in the kernel: what is known is the list
 * that it is with them, and of 100,000 networks a second copy would be 3 MB. Returns 0, or -E2BIG when that
 * is no small difference. */
static int differ(const struct loaded_set *before, const struct cidr_set *list, const struct cidr_set *set,
                  struct loaded_set *ret)
{
        size_t most = before->base_count / DIFFERENCE_PART > DIFFERENCE_MIN
                              ? before->base_count / DIFFERENCE_PART
                              : DIFFERENCE_MIN;
        size_t grown = set->count > list->count ? set->count - list->count : list->count - set->count;
        _cleanup_cidr_set_ added = {}, removed = {};
        int r;

        /* Each range more or less has edges of its own: the difference is no smaller. */
        if (grown > 2 * most)
                return -E2BIG;
        r = cidr_set_subtract(set, list, &added);
        if (r >= 0)
                r = cidr_set_subtract(list, set, &removed);
        if (r >= 0)
                r = combine(&before->more, &removed, &added, &before->less, &ret->more);
        if (r >= 0)
                r = combine(&before->less, &added, &removed, &before->more, &ret->less);
        if (r >= 0 &&
            (ret->more.count + ret->less.count > most || ret->more.count + ret->less.count >= set->count))
                r = -E2BIG;
        return r;
}

/* Returns 0, or -E2BIG when the difference is no small one. */
static int load_difference(const struct load *load, const struct loaded_set *before,
                           const struct cidr_set *list, const struct cidr_set *set, struct loaded_set *ret)
{
        int r;

        r = differ(before, list, set, ret);
        if (r >= 0 && ret->more.count > 0)
                r = load_part(load, SET_PLUS, &ret->more);
        if (r >= 0 && ret->less.count > 0)
                r = load_part(load, SET_MINUS, &ret->less);
        if (r < 0) {
                loaded_set_clear(ret);
                *ret = (struct loaded_set){};
                return r;
        }
        ret->base = before->base;
        ret->base_count = before->base_count;
        ret->plus = ret->more.count > 0 ? load->generation : 0;
        ret->minus = ret->less.count > 0 ? load->generation : 0;
        return 0;
}

static int use_again(const struct loaded_set *known, struct loaded_set *ret)
{
        struct loaded_set set = *known;
        int r;

        set.more = set.less = (struct cidr_set){};
        r = cidr_set_copy(&known->more, &set.more);
        if (r >= 0)
                r = cidr_set_copy(&known->less, &set.less);
        if (r < 0) {
                loaded_set_clear(&set);
                return r;
        }
        *ret = set;
        return 0;
}

static int load_set(const struct load *load, const struct loaded_list *before, struct loaded_set *ret)
{
        const struct cidr_set *set = &load->list->sets[load->class][load->family];
        const struct loaded_set *known = before ? &before->sets[load->class][load->family] : NULL;
        const struct cidr_set *list = before ? &before->list->sets[load->class][load->family] : NULL;
        int r = -E2BIG;

        if (set->count == 0)
                return 0;
        if (known && same(set, list))
                return use_again(known, ret);
        if (known && known->base != 0)
                r = load_difference(load, known, list, set, ret);
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
