/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shards.h"

#define LONG_LIST 10000

/* Ranges that do not touch, one for each number of the list. */
static struct cidr_set make_set(const bool *there, size_t n)
{
        struct cidr_set set = {};

        for (size_t i = 0; i < n; i++)
                if (!there || there[i])
                        assert_int_equal(cidr_set_add(&set, i * 16, i * 16 + 7), 0);
        return set;
}

/* Every range is in one shard, in order, and none is too long; a short one is alone. */
static void check(const struct shards *shards, const struct cidr_set *set)
{
        size_t at = 0;

        for (size_t i = 0; i < shards->count; i++) {
                assert_int_equal(shards->items[i].first, at);
                assert_in_range(shards->items[i].count, shards->count == 1 ? 1 : SHARD_MIN, SHARD_MAX);
                at += shards->items[i].count;
        }
        assert_int_equal(at, set->count);
}

/* How many of them have the generation. */
static size_t count_of(const struct shards *shards, uint32_t generation)
{
        size_t n = 0;

        for (size_t i = 0; i < shards->count; i++)
                n += shards->items[i].generation == generation;
        return n;
}

static void an_empty_list_has_no_shard_and_a_short_one_has_one(void **state)
{
        _cleanup_cidr_set_ none = {}, some = make_set(NULL, 3);
        _cleanup_shards_ empty = {}, one = {};

        assert_int_equal(shards_cut(&none, NULL, &(struct shards){}, 1, &empty), 0);
        assert_int_equal(empty.count, 0);
        assert_int_equal(shards_cut(&some, NULL, &(struct shards){}, 1, &one), 0);
        assert_int_equal(one.count, 1);
        check(&one, &some);
}

static void a_long_list_is_cut_into_as_few_as_can_be(void **state)
{
        _cleanup_cidr_set_ set = make_set(NULL, LONG_LIST);
        _cleanup_shards_ shards = {};

        assert_int_equal(shards_cut(&set, NULL, &(struct shards){}, 1, &shards), 0);
        assert_int_equal(shards.count, (LONG_LIST + SHARD_MAX - 1) / SHARD_MAX);
        check(&shards, &set);
}

static void the_same_list_keeps_all_of_its_shards(void **state)
{
        _cleanup_cidr_set_ set = make_set(NULL, LONG_LIST);
        _cleanup_shards_ before = {}, after = {};

        assert_int_equal(shards_cut(&set, NULL, &(struct shards){}, 1, &before), 0);
        assert_int_equal(shards_cut(&set, &set, &before, 2, &after), 0);
        assert_int_equal(count_of(&after, 2), 0);
        check(&after, &set);
}

/* One network comes or goes, a thousand times: each time at most three sets are loaded, and their number
 * stays in proportion to the list. */
static void many_small_changes_each_load_little_and_leave_no_crumbs(void **state)
{
        bool there[LONG_LIST];
        _cleanup_cidr_set_ set = {};
        _cleanup_shards_ shards = {};
        unsigned seed = 20261121;

        for (size_t i = 0; i < LONG_LIST; i++)
                there[i] = i % 2 == 0;
        set = make_set(there, LONG_LIST);
        assert_int_equal(shards_cut(&set, NULL, &(struct shards){}, 1, &shards), 0);
        for (uint32_t round = 2; round < 1500; round++) {
                /* First it grows everywhere, then it shrinks, at last in one place only. */
                size_t which = round < 1000 ? (size_t)rand_r(&seed) % LONG_LIST : round;
                struct cidr_set next;
                struct shards cut = {};

                there[which] = round < 500;
                next = make_set(there, LONG_LIST);
                assert_int_equal(shards_cut(&next, &set, &shards, round, &cut), 0);
                assert_in_range(count_of(&cut, round), 0, 3);
                check(&cut, &next);
                assert_true(cut.count <= next.count / SHARD_MIN);
                cidr_set_clear(&set);
                shards_clear(&shards);
                set = next;
                shards = cut;
        }
}

static void what_covers_several_shards_takes_their_place(void **state)
{
        _cleanup_cidr_set_ set = make_set(NULL, LONG_LIST), wide = {};
        _cleanup_shards_ before = {}, after = {};

        assert_int_equal(shards_cut(&set, NULL, &(struct shards){}, 1, &before), 0);
        for (size_t i = 0; i < set.count; i++)
                assert_int_equal(cidr_set_add(&wide, set.items[i].first, set.items[i].last), 0);
        assert_int_equal(cidr_set_add(&wide, (ip_number)1500 * 16, (ip_number)4500 * 16), 0);
        cidr_set_merge(&wide);
        assert_int_equal(shards_cut(&wide, &set, &before, 2, &after), 0);
        assert_in_range(count_of(&after, 2), 1, 3);
        assert_true(count_of(&after, 1) + 3000 / (SHARD_MAX / 2) + 2 >= before.count);
        check(&after, &wide);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_list_has_no_shard_and_a_short_one_has_one),
                cmocka_unit_test(a_long_list_is_cut_into_as_few_as_can_be),
                cmocka_unit_test(the_same_list_keeps_all_of_its_shards),
                cmocka_unit_test(many_small_changes_each_load_little_and_leave_no_crumbs),
                cmocka_unit_test(what_covers_several_shards_takes_their_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
