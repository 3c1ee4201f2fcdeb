/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/kube-api-filter/loaded-list.c"

#include "touched-sets.h"

/* A list of so many networks of each family and class, as its load begins. */
static struct loaded_list *make(size_t n)
{
        struct loaded_list *loaded = calloc(1, sizeof(*loaded));

        assert_non_null(loaded);
        loaded->generation = 1;
        assert_int_equal(filter_list_new(&loaded->list), 0);
        for (enum source_class c = 0; c < CLASSES; c++)
                for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                        for (ip_number i = 0; i < n; i++)
                                assert_int_equal(filter_list_add(loaded->list, c,
                                                                 &(struct cidr){ f, i * 4, i * 4 + 1 }),
                                                 0);
        filter_list_finish(loaded->list);
        assert_int_equal(cut_all(loaded, NULL), 0);
        return loaded;
}

/* How many ranges are in the slice. */
static size_t in_slice(const struct loaded_list *loaded, uint32_t slice)
{
        struct shard *shard;
        size_t n = 0;

        for (struct place at = {}; (shard = next_new(loaded, &at));)
                if (shard->slice == slice)
                        n += shard->count;
        return n;
}

static void a_list_that_fits_comes_whole_with_its_rules(void **state)
{
        const size_t all = REST_MAX / (CLASSES * IP_FAMILIES) * CLASSES * IP_FAMILIES;
        _cleanup_(loaded_list_freep) struct loaded_list *loaded = make(all / (CLASSES * IP_FAMILIES));
        size_t room = REST_MAX;

        assert_int_equal(plan(loaded, &room), 0);
        assert_int_equal(in_slice(loaded, SLICE_REST), all);
        assert_int_equal(room, REST_MAX - all);
}

static void of_a_longer_one_small_sets_share_slices_and_no_slice_is_too_long(void **state)
{
        static const size_t sizes[] = { 100, 300, SHARD_MAX, SHARD_MAX + 1, 5000 };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_(loaded_list_freep) struct loaded_list *loaded = make(sizes[i]);
                const size_t all = sizes[i] * CLASSES * IP_FAMILIES;
                size_t room = REST_MAX, found = 0;
                uint32_t slices = plan(loaded, &room);

                assert_int_equal(in_slice(loaded, SLICE_REST), 0);
                assert_int_equal(room, REST_MAX);
                for (uint32_t s = 1; s <= slices; s++) {
                        assert_in_range(in_slice(loaded, s), 1, SLICE_MAX);
                        found += in_slice(loaded, s);
                }
                assert_int_equal(found, all);
                /* Two of them, one behind the other, would not have fitted. */
                assert_true(slices <= 2 * all / SLICE_MAX + 1);
        }
}

static void without_room_everything_is_loaded_beforehand(void **state)
{
        _cleanup_(loaded_list_freep) struct loaded_list *loaded = make(10);
        size_t room = 0;

        assert_int_equal(plan(loaded, &room), 1);
        assert_int_equal(in_slice(loaded, SLICE_REST), 0);
        assert_int_equal(room, 0);
}

static void a_forgotten_set_is_loaded_anew_and_no_other(void **state)
{
        _cleanup_(loaded_list_freep) struct loaded_list *before = make(5000);
        struct loaded_list after = { .list = before->list, .generation = 2 };
        const struct shards *shards = &before->shards[CLASS_ALLOW][IP_V4];
        const size_t count = shards->count;
        char name[SET_NAME_SIZE];

        (void)set_name(CLASS_ALLOW, IP_V4, &shards->items[3], name);
        loaded_list_forget(before, name);
        loaded_list_forget(before, "somebody's");
        assert_int_equal(shards->count, count - 1);
        assert_int_equal(cut_all(&after, before), 0);
        for (enum source_class c = 0; c < CLASSES; c++)
                for (enum ip_family f = 0; f < IP_FAMILIES; f++) {
                        for (size_t i = 0; i < after.shards[c][f].count; i++)
                                assert_int_equal(after.shards[c][f].items[i].generation,
                                                 c == CLASS_ALLOW && f == IP_V4 && i == 3 ? 2 : 1);
                        shards_clear(&after.shards[c][f]);
                }
}

static void each_touched_set_is_remembered_once_and_too_many_are_all(void **state)
{
        struct touched_sets touched = {}, more = {};
        char name[SET_NAME_SIZE];

        assert_false(touched_sets_any(&touched));
        touched_sets_add(&touched, "a");
        touched_sets_add(&touched, "a");
        assert_int_equal(touched.count, 1);
        assert_true(touched_sets_any(&touched) && !touched.all);
        for (unsigned i = 0; i < TOUCHED_SETS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "set %u", i);
                touched_sets_add(&more, name);
        }
        assert_false(more.all);
        touched_sets_merge(&touched, &more);
        assert_true(touched.all);
        touched_sets_add(&more, NULL);
        assert_true(more.all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_list_that_fits_comes_whole_with_its_rules),
                cmocka_unit_test(of_a_longer_one_small_sets_share_slices_and_no_slice_is_too_long),
                cmocka_unit_test(without_room_everything_is_loaded_beforehand),
                cmocka_unit_test(a_forgotten_set_is_loaded_anew_and_no_other),
                cmocka_unit_test(each_touched_set_is_remembered_once_and_too_many_are_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
