/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cover.h"

static struct cidr_set make_random(size_t n, unsigned *seed)
{
        struct cidr_set set = {};

        for (size_t i = 0; i < n; i++) {
                const ip_number first = (unsigned)rand_r(seed) & 0xFFFFFF;

                assert_int_equal(cidr_set_add(&set, first, first + ((unsigned)rand_r(seed) & 0xF)), 0);
        }
        cidr_set_merge(&set);
        return set;
}

/* The narrowest gap that a set leaves open. */
static ip_number narrowest(const struct cidr_set *set)
{
        ip_number gap = ip_highest(IP_V6);

        for (size_t i = 0; i + 1 < set->count; i++)
                if (set->items[i + 1].first - set->items[i].last < gap)
                        gap = set->items[i + 1].first - set->items[i].last;
        return gap;
}

static void a_cover_has_the_whole_list_in_as_many_ranges_as_it_may(void **state)
{
        unsigned seed = 5;

        for (unsigned round = 0; round < 200; round++) {
                _cleanup_cidr_set_ set = make_random(1 + (unsigned)rand_r(&seed) % 300, &seed);
                const size_t max = 1 + (unsigned)rand_r(&seed) % 300;
                _cleanup_cidr_set_ cover = {}, missing = {};

                assert_int_equal(cidr_set_cover(&set, max, &cover), 0);
                assert_int_equal(cover.count, set.count < max ? set.count : max);
                assert_int_equal(cidr_set_subtract(&set, &cover, &missing), 0);
                assert_int_equal(missing.count, 0);
        }
}

static void no_gap_that_a_cover_closes_is_wider_than_one_that_it_leaves(void **state)
{
        unsigned seed = 6;

        for (unsigned round = 0; round < 200; round++) {
                _cleanup_cidr_set_ set = make_random(2 + (unsigned)rand_r(&seed) % 300, &seed);
                const size_t max = 1 + (unsigned)rand_r(&seed) % set.count;
                _cleanup_cidr_set_ cover = {}, closed = {};

                assert_int_equal(cidr_set_cover(&set, max, &cover), 0);
                assert_int_equal(cidr_set_subtract(&cover, &set, &closed), 0);
                for (size_t i = 0; i < closed.count; i++)
                        assert_true(closed.items[i].last - closed.items[i].first + 2 <= narrowest(&cover));
        }
}

static void gaps_of_one_size_are_left_open_as_far_as_ranges_go(void **state)
{
        _cleanup_cidr_set_ set = {}, cover = {};

        for (ip_number i = 0; i < 100; i++)
                assert_int_equal(cidr_set_add(&set, i * 512, i * 512 + 255), 0);
        assert_int_equal(cidr_set_cover(&set, 10, &cover), 0);
        assert_int_equal(cover.count, 10);
        assert_true(cover.items[9].last == 99 * 512 + 255);
}

static void the_edges_of_all_addresses_stay_the_edges(void **state)
{
        _cleanup_cidr_set_ set = {}, cover = {}, one = {};

        assert_int_equal(cidr_set_add(&set, 0, 0), 0);
        assert_int_equal(cidr_set_add(&set, 5, 5), 0);
        assert_int_equal(cidr_set_add(&set, ip_highest(IP_V6), ip_highest(IP_V6)), 0);
        assert_int_equal(cidr_set_cover(&set, 2, &cover), 0);
        assert_int_equal(cover.count, 2);
        assert_true(cover.items[0].first == 0 && cover.items[0].last == 5);
        assert_true(cover.items[1].first == ip_highest(IP_V6));
        assert_int_equal(cidr_set_cover(&set, 1, &one), 0);
        assert_int_equal(one.count, 1);
        assert_true(one.items[0].first == 0 && one.items[0].last == ip_highest(IP_V6));
}

static void a_lists_cover_keeps_its_ports_and_its_short_classes_as_they_are(void **state)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL, *cover = NULL;

        assert_int_equal(filter_list_new(&list), 0);
        assert_int_equal(filter_list_add_port(list, 6443), 0);
        for (ip_number i = 0; i < 10000; i++)
                assert_int_equal(filter_list_add(list, CLASS_ALLOW, &(struct cidr){ IP_V4, i * 4, i * 4 }),
                                 0);
        for (ip_number i = 0; i < COVER_RANGES; i++)
                assert_int_equal(filter_list_add(list, CLASS_NODES, &(struct cidr){ IP_V6, i * 4, i * 4 }),
                                 0);
        filter_list_finish(list);
        assert_int_equal(filter_list_cover(list, &cover), 0);
        assert_true(cover->cover);
        assert_string_equal(cover->digest, list->digest);
        assert_int_equal(cover->n_ports, 1);
        assert_int_equal(cover->sets[CLASS_ALLOW][IP_V4].count, COVER_RANGES);
        assert_int_equal(cover->sets[CLASS_NODES][IP_V6].count, COVER_RANGES);
        assert_memory_equal(cover->sets[CLASS_NODES][IP_V6].items, list->sets[CLASS_NODES][IP_V6].items,
                            COVER_RANGES * sizeof(struct cidr_range));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cover_has_the_whole_list_in_as_many_ranges_as_it_may),
                cmocka_unit_test(no_gap_that_a_cover_closes_is_wider_than_one_that_it_leaves),
                cmocka_unit_test(gaps_of_one_size_are_left_open_as_far_as_ranges_go),
                cmocka_unit_test(the_edges_of_all_addresses_stay_the_edges),
                cmocka_unit_test(a_lists_cover_keeps_its_ports_and_its_short_classes_as_they_are),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
