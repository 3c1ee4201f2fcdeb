/* SPDX-License-Identifier: Apache-2.0 */

#include "cidr.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned family_bits[] = { [IP_V4] = 32, [IP_V6] = 128 };
static const int family_numbers[] = { [IP_V4] = AF_INET, [IP_V6] = AF_INET6 };

ip_number ip_highest(enum ip_family family)
{
        return family == IP_V4 ? (ip_number)UINT32_MAX : ~(ip_number)0;
}

ip_number ip_from_bytes(enum ip_family family, const void *bytes)
{
        const uint8_t *p = bytes;
        ip_number number = 0;

        for (unsigned i = 0; i < family_bits[family] / 8; i++)
                number = number << 8 | p[i];
        return number;
}

size_t ip_to_bytes(enum ip_family family, ip_number number, uint8_t ret_bytes[static 16])
{
        size_t size = family_bits[family] / 8;

        for (size_t i = size; i > 0; i--, number >>= 8)
                ret_bytes[i - 1] = (uint8_t)number;
        return size;
}

/* The mask of the bits behind a prefix. */
static ip_number host_mask(enum ip_family family, unsigned prefix)
{
        return prefix == 0 ? ip_highest(family) : ((ip_number)1 << (family_bits[family] - prefix)) - 1;
}

int ip_parse(const char *text, enum ip_family *ret_family, ip_number *ret)
{
        enum ip_family family = strchr(text, ':') ? IP_V6 : IP_V4;
        uint8_t bytes[16];
        ip_number number;

        if (inet_pton(family_numbers[family], text, bytes) != 1)
                return -EINVAL;
        number = ip_from_bytes(family, bytes);
        /* RFC 4291, 2.5.5.2: such a source arrives as an IPv4 packet, so a rule for it would never match. */
        if (family == IP_V6 && number >> 32 == 0xFFFF)
                return -EINVAL;

        *ret_family = family;
        *ret = number;
        return 0;
}

/* Decimal digits without a leading zero. */
static int parse_prefix(const char *text, unsigned highest, unsigned *ret)
{
        unsigned value = 0;
        size_t length = strlen(text);

        if (length == 0 || length > 3 || (text[0] == '0' && length > 1))
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                value = value * 10 + (unsigned)(text[i] - '0');
        }
        if (value > highest)
                return -EINVAL;
        *ret = value;
        return 0;
}

int cidr_parse(const char *text, struct cidr *ret)
{
        const char *slash = strchr(text, '/');
        size_t length = slash ? (size_t)(slash - text) : strlen(text);
        char address[INET6_ADDRSTRLEN];
        enum ip_family family;
        ip_number first, mask;
        unsigned prefix;
        int r;

        if (length >= sizeof(address))
                return -EINVAL;
        memcpy(address, text, length);
        address[length] = '\0';
        r = ip_parse(address, &family, &first);
        if (r < 0)
                return r;
        prefix = family_bits[family];
        if (slash) {
                r = parse_prefix(slash + 1, prefix, &prefix);
                if (r < 0)
                        return r;
        }
        mask = host_mask(family, prefix);
        if (first & mask)
                return -EINVAL;

        *ret = (struct cidr){ .family = family, .first = first, .last = first | mask };
        return 0;
}

int cidr_parse_range(const char *text, struct cidr *ret)
{
        const char *dash = strchr(text, '-');
        enum ip_family family, other;
        char first_text[INET6_ADDRSTRLEN];
        ip_number first, last;
        int r;

        if (!dash)
                return cidr_parse(text, ret);
        if ((size_t)(dash - text) >= sizeof(first_text))
                return -EINVAL;
        memcpy(first_text, text, (size_t)(dash - text));
        first_text[dash - text] = '\0';
        r = ip_parse(first_text, &family, &first);
        if (r < 0)
                return r;
        r = ip_parse(dash + 1, &other, &last);
        if (r < 0)
                return r;
        if (family != other || first > last)
                return -EINVAL;

        *ret = (struct cidr){ .family = family, .first = first, .last = last };
        return 0;
}

char *ip_format(enum ip_family family, ip_number number, char buffer[static CIDR_TEXT_SIZE])
{
        uint8_t bytes[16];

        (void)ip_to_bytes(family, number, bytes);
        if (!inet_ntop(family_numbers[family], bytes, buffer, CIDR_TEXT_SIZE))
                buffer[0] = '\0'; /* cannot be: the buffer is large enough */
        return buffer;
}

char *cidr_format(const struct cidr *cidr, char buffer[static CIDR_TEXT_SIZE])
{
        ip_number size = cidr->last - cidr->first; /* less one */
        unsigned prefix = family_bits[cidr->family];
        size_t length;

        (void)ip_format(cidr->family, cidr->first, buffer);
        if (size == 0)
                return buffer;
        length = strlen(buffer);
        if ((size & (size + 1)) == 0 && (cidr->first & size) == 0) {
                for (; size; size >>= 1)
                        prefix--;
                (void)snprintf(buffer + length, CIDR_TEXT_SIZE - length, "/%u", prefix);
        } else {
                char last[CIDR_TEXT_SIZE];

                (void)snprintf(buffer + length, CIDR_TEXT_SIZE - length, "-%s",
                               ip_format(cidr->family, cidr->last, last));
        }
        return buffer;
}

int cidr_set_add(struct cidr_set *set, ip_number first, ip_number last)
{
        if (set->count == set->room) {
                size_t room = set->room ? 2 * set->room : 16;
                struct cidr_range *grown = reallocarray(set->items, room, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                set->items = grown;
                set->room = room;
        }
        set->items[set->count++] = (struct cidr_range){ first, last };
        return 0;
}

static int compare_ranges(const void *a, const void *b)
{
        const struct cidr_range *x = a, *y = b;

        return x->first < y->first ? -1 : x->first > y->first;
}

static bool is_sorted(const struct cidr_set *set)
{
        for (size_t i = 1; i < set->count; i++)
                if (set->items[i].first < set->items[i - 1].first)
                        return false;
        return true;
}

void cidr_set_merge(struct cidr_set *set)
{
        struct cidr_range *shrunk;
        size_t kept = 0;

        if (set->count == 0)
                return;
        /* glibc's qsort takes as much memory again, and most lists come sorted. */
        if (!is_sorted(set))
                qsort(set->items, set->count, sizeof(*set->items), compare_ranges);
        for (size_t i = 1; i < set->count; i++) {
                struct cidr_range *last = &set->items[kept];

                /* The highest address has no successor: nothing sorted behind can begin after it. */
                if (last->last == ~(ip_number)0 || set->items[i].first <= last->last + 1) {
                        if (set->items[i].last > last->last)
                                last->last = set->items[i].last;
                } else {
                        set->items[++kept] = set->items[i];
                }
        }
        set->count = kept + 1;
        shrunk = reallocarray(set->items, set->count, sizeof(*shrunk));
        if (!shrunk)
                return;
        set->items = shrunk;
        set->room = set->count;
}

int cidr_set_subtract(const struct cidr_set *a, const struct cidr_set *b, struct cidr_set *ret)
{
        size_t j = 0;
        int r;

        for (size_t i = 0; i < a->count; i++) {
                ip_number first = a->items[i].first, last = a->items[i].last;
                bool left = true;

                while (j < b->count && b->items[j].last < first)
                        j++;
                for (size_t k = j; left && k < b->count && b->items[k].first <= last; k++) {
                        if (b->items[k].first > first) {
                                r = cidr_set_add(ret, first, b->items[k].first - 1);
                                if (r < 0)
                                        return r;
                        }
                        left = b->items[k].last < last;
                        if (left)
                                first = b->items[k].last + 1;
                }
                if (left) {
                        r = cidr_set_add(ret, first, last);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

size_t cidr_set_position(const struct cidr_set *set, ip_number number)
{
        size_t low = 0, high = set->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (set->items[middle].last < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool cidr_set_has(const struct cidr_set *set, ip_number number, struct cidr_range *ret_range)
{
        size_t at = cidr_set_position(set, number);

        if (at == set->count || set->items[at].first > number)
                return false;
        if (ret_range)
                *ret_range = set->items[at];
        return true;
}

int cidr_set_copy(const struct cidr_set *set, struct cidr_set *ret)
{
        struct cidr_range *items = calloc(set->count + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        if (set->count > 0)
                memcpy(items, set->items, set->count * sizeof(*items));
        *ret = (struct cidr_set){ .items = items, .count = set->count, .room = set->count + 1 };
        return 0;
}

void cidr_set_clear(struct cidr_set *set)
{
        free(set->items);
        *set = (struct cidr_set){};
}

int config_check_cidr(const char *value, const char **ret_allowed)
{
        struct cidr cidr;

        *ret_allowed = "an address or a network without bits behind its prefix: 203.0.113.7, 203.0.113.0/24, "
                       "2001:db8::/32";
        return cidr_parse(value, &cidr);
}
