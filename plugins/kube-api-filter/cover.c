/* SPDX-License-Identifier: Apache-2.0 */

#include "cover.h"

#include <string.h>

/* Behind the range with this number. */
static ip_number gap(const struct cidr_set *set, size_t i)
{
        return set->items[i + 1].first - set->items[i].last;
}

static size_t count_gaps(const struct cidr_set *set, ip_number smallest)
{
        size_t n = 0;

        for (size_t i = 0; i + 1 < set->count; i++)
                n += gap(set, i) >= smallest;
        return n;
}

/* The size of gaps of which at least so many are as large: found bit by bit, which needs no memory, and for
 * 100,000 ranges less time than sorting them. */
static ip_number size_of_largest(const struct cidr_set *set, size_t n)
{
        ip_number size = 0, largest = 0;

        for (size_t i = 0; i + 1 < set->count; i++)
                if (gap(set, i) > largest)
                        largest = gap(set, i);
        for (ip_number bit = (ip_number)1 << 127; bit > 0; bit >>= 1)
                if ((size | bit) <= largest && count_gaps(set, size | bit) >= n)
                        size |= bit;
        return size;
}

int cidr_set_cover(const struct cidr_set *set, size_t max, struct cidr_set *ret)
{
        _cleanup_cidr_set_ cover = {};
        ip_number size, first;
        size_t spare; /* how many gaps of just that size stay open */
        int r = 0;

        if (set->count <= max)
                return cidr_set_copy(set, ret);
        size = max > 1 ? size_of_largest(set, max - 1) : ip_highest(IP_V6);
        spare = max - 1 - count_gaps(set, size + 1);
        first = set->items[0].first;
        for (size_t i = 0; r >= 0 && i < set->count; i++) {
                bool last = i + 1 == set->count;

                if (!last && (gap(set, i) < size || (gap(set, i) == size && spare == 0)))
                        continue;
                if (!last && gap(set, i) == size)
                        spare--;
                r = cidr_set_add(&cover, first, set->items[i].last);
                if (!last)
                        first = set->items[i + 1].first;
        }
        if (r < 0)
                return r;
        *ret = cover;
        cover = (struct cidr_set){};
        return 0;
}

int filter_list_cover(const struct filter_list *list, struct filter_list **ret)
{
        _cleanup_(filter_list_unrefp) struct filter_list *cover = NULL;
        int r;

        r = filter_list_new(&cover);
        if (r < 0)
                return r;
        cover->cover = true;
        cover->audit = list->audit;
        cover->n_ports = list->n_ports;
        memcpy(cover->ports, list->ports, sizeof(cover->ports));
        memcpy(cover->digest, list->digest, sizeof(cover->digest));
        for (size_t c = 0; r >= 0 && c < CLASSES; c++)
                for (size_t f = 0; r >= 0 && f < IP_FAMILIES; f++)
                        r = cidr_set_cover(&list->sets[c][f], COVER_RANGES, &cover->sets[c][f]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(cover);
        return 0;
}
