/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "effectiveness.h"
#include "list.h"
#include "names.h"

static struct filter_list *make(bool audit, uint16_t port, const char *const *networks,
                                enum source_class class)
{
        struct filter_list *list;
        struct cidr cidr;

        assert_int_equal(filter_list_new(&list), 0);
        list->audit = audit;
        assert_int_equal(filter_list_add_port(list, port), 0);
        for (; *networks; networks++) {
                assert_int_equal(cidr_parse(*networks, &cidr), 0);
                assert_int_equal(filter_list_add(list, class, &cidr), 0);
        }
        filter_list_finish(list);
        return list;
}

#define NETWORKS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void what_is_saved_is_loaded_as_the_same(void **state)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL, *loaded = NULL;
        char path[] = "/tmp/test-list-XXXXXX";
        int fd = mkstemp(path);

        list = make(false, 6443, NETWORKS("0.0.0.0", "255.255.255.255", "10.0.0.0/8", "::", "2001:db8::/32"),
                    CLASS_PODS);
        assert_int_equal(filter_list_save(list, path), 0);
        assert_int_equal(filter_list_load(path, &loaded), 0);
        assert_string_equal(loaded->digest, list->digest);
        loaded = filter_list_unref(loaded);
        assert_int_equal(truncate(path, 200), 0);
        assert_int_equal(filter_list_load(path, &loaded), -EINVAL);
        close(fd);
        unlink(path);
}

static bool widens(const struct filter_list *before, const struct filter_list *after)
{
        bool result = false;

        assert_int_equal(filter_list_widens(before, after, &result), 0);
        return result;
}

static void only_a_list_that_shuts_nobody_out_needs_no_trial(void **state)
{
        _cleanup_(filter_list_unrefp) struct filter_list *small = NULL, *large = NULL, *moved = NULL,
                                                         *port = NULL, *audit = NULL;

        small = make(false, 6443, NETWORKS("10.0.0.0/9"), CLASS_NODES);
        /* The same addresses in two halves and another class. */
        large = make(false, 6443, NETWORKS("10.0.0.0/10", "10.64.0.0/10", "10.200.0.1"), CLASS_ALLOW);
        moved = make(false, 6443, NETWORKS("10.0.0.0/10", "10.64.0.1"), CLASS_NODES);
        port = make(false, 2379, NETWORKS("10.0.0.0/8"), CLASS_NODES);
        assert_int_equal(filter_list_audit(small, &audit), 0);
        assert_true(widens(small, small));
        assert_true(widens(small, large));
        assert_false(widens(large, small));
        assert_false(widens(small, moved));
        assert_false(widens(small, port));
        assert_true(widens(large, audit));
        assert_false(widens(audit, large));
}

static void names_keep_their_addresses_until_they_have_others(void **state)
{
        struct names names = {};
        const struct name *name;

        assert_int_equal(names_take(&names,
                                    "a.example 192.0.2.1\na.example 2001:db8::1\nnonsense\na.example x\n"),
                         1);
        name = names_find(&names, "a.example");
        assert_int_equal(name->count, 2);
        assert_int_equal(names_take(&names, ""), 0);
        assert_int_equal(names_take(&names, "a.example 2001:db8::1\na.example 192.0.2.1\n"), 0);
        assert_int_equal(names_take(&names, "a.example 192.0.2.2\n"), 1);
        assert_int_equal(names_find(&names, "a.example")->count, 1);
        names_clear(&names);
}

static enum effectiveness judge(const char *const *sources, uint64_t observed_usec)
{
        struct table_elements elements[IP_FAMILIES] = { { .family = IP_V4 }, { .family = IP_V6 } };
        struct node_networks networks = {};
        struct table_element items[16] = {};
        enum effectiveness result;
        struct cidr cidr;

        assert_int_equal(cidr_parse("10.8.0.0/20", &cidr), 0);
        assert_int_equal(cidr_set_add(&networks.networks[IP_V4], cidr.first, cidr.last), 0);
        elements[IP_V4].items = items;
        for (; *sources; sources++) {
                assert_int_equal(cidr_parse(*sources, &cidr), 0);
                items[elements[IP_V4].count++].address = cidr.first;
        }
        result = effectiveness_judge(elements, &networks, observed_usec);
        node_networks_clear(&networks);
        return result;
}

static void a_proxy_in_between_is_told_from_clients(void **state)
{
        const uint64_t enough = EFFECTIVENESS_OBSERVE_USEC;

        assert_int_equal(judge(NETWORKS(NULL), enough), EFFECTIVENESS_UNKNOWN);
        assert_int_equal(judge(NETWORKS("10.8.0.5", "10.8.0.6"), enough - 1), EFFECTIVENESS_UNKNOWN);
        assert_int_equal(judge(NETWORKS("10.8.0.5", "10.8.0.6"), enough), EFFECTIVENESS_HIDDEN);
        assert_int_equal(judge(NETWORKS("10.8.0.5", "203.0.113.9"), 0), EFFECTIVENESS_SEEN);
        assert_int_equal(judge(NETWORKS("10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5"), enough),
                         EFFECTIVENESS_SEEN);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_saved_is_loaded_as_the_same),
                cmocka_unit_test(only_a_list_that_shuts_nobody_out_needs_no_trial),
                cmocka_unit_test(names_keep_their_addresses_until_they_have_others),
                cmocka_unit_test(a_proxy_in_between_is_told_from_clients),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
