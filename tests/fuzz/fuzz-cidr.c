/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/cidr.c"

#include "fuzz.h"

/* What is read is written in a form that is read as the same. */
static void check_text(const char *text)
{
        char written[CIDR_TEXT_SIZE];
        struct cidr cidr, again;

        if (cidr_parse_range(text, &cidr) < 0)
                return;
        PROMISE(cidr.first <= cidr.last && cidr.last <= ip_highest(cidr.family));
        PROMISE(cidr_parse_range(cidr_format(&cidr, written), &again) == 0);
        PROMISE(again.family == cidr.family && again.first == cidr.first && again.last == cidr.last);
}

static bool has(const struct cidr_set *set, ip_number number)
{
        for (size_t i = 0; i < set->count; i++)
                if (set->items[i].first <= number && number <= set->items[i].last)
                        return true;
        return false;
}

static void check_merged(const struct cidr_set *set)
{
        for (size_t i = 0; i < set->count; i++) {
                PROMISE(set->items[i].first <= set->items[i].last);
                PROMISE(i == 0 || set->items[i].first > set->items[i - 1].last + 1);
        }
}

/* Small numbers, so that ranges overlap, against the plain definition. */
static void check_sets(const uint8_t *data, size_t size)
{
        _cleanup_cidr_set_ a = {}, b = {}, before = {}, difference = {};

        for (size_t i = 0; i + 1 < size && i < 40; i += 2) {
                struct cidr_set *set = i % 4 ? &a : &b;
                uint8_t first = data[i], last = data[i + 1];

                if (first <= last)
                        PROMISE(cidr_set_add(set, first, last) == 0);
        }
        PROMISE(cidr_set_copy(&a, &before) == 0);
        cidr_set_merge(&a);
        cidr_set_merge(&b);
        PROMISE(cidr_set_subtract(&a, &b, &difference) == 0);
        check_merged(&a);
        check_merged(&difference);
        for (ip_number n = 0; n < 257; n++) {
                PROMISE(cidr_set_has(&a, n, NULL) == has(&before, n));
                PROMISE(cidr_set_has(&difference, n, NULL) == (has(&a, n) && !has(&b, n)));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size);

        check_text(text);
        check_sets(data, size);
        return 0;
}
