/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cidr.h"

static void hostile_text_is_no_network(void **state)
{
        static const char *const texts[] = {
                "",
                " ",
                "1.2.3",
                "1.2.3.4 ",
                " 1.2.3.4",
                "1.2.3.4/",
                "1.2.3.4/33",
                "1.2.3.4/-1",
                "1.2.3.4/+8",
                "1.2.3.4/024",
                "01.2.3.4",
                "1.2.3.256",
                "0x1.2.3.4",
                "1.2.3.4/24",
                "1.2.3.4/0",
                "1.2.3.4/32/32",
                "1.2.3.4/255.255.255.255",
                ":::",
                "fe80::1%lo",
                "2001:db8::/129",
                "2001:db8::1/64",
                "::ffff:192.0.2.1",
                "::ffff:0.0.0.0/96",
                "2001:db8::/4294967328",
                "any",
                "0/0",
                "1.2.3.4\n",
                "[::1]",
                "1.2.3.4-1.2.3.9",
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                struct cidr cidr;

                if (cidr_parse(texts[i], &cidr) != -EINVAL)
                        fail_msg("\"%s\" was taken", texts[i]);
        }
}

static void networks_are_ranges_with_both_edges(void **state)
{
        static const struct {
                const char *text, *first, *last;
        } cases[] = {
                { "0.0.0.0/0", "0.0.0.0", "255.255.255.255" },
                { "0.0.0.0", "0.0.0.0", "0.0.0.0" },
                { "255.255.255.255", "255.255.255.255", "255.255.255.255" },
                { "203.0.113.128/25", "203.0.113.128", "203.0.113.255" },
                { "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
                { "2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff" },
                { "fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char text[CIDR_TEXT_SIZE];
                struct cidr cidr;

                assert_int_equal(cidr_parse(cases[i].text, &cidr), 0);
                assert_string_equal(ip_format(cidr.family, cidr.first, text), cases[i].first);
                assert_string_equal(ip_format(cidr.family, cidr.last, text), cases[i].last);
                assert_string_equal(cidr_format(&cidr, text), cases[i].text);
        }
}

static void add(struct cidr_set *set, const char *text)
{
        struct cidr cidr;

        assert_int_equal(cidr_parse_range(text, &cidr), 0);
        assert_int_equal(cidr_set_add(set, cidr.first, cidr.last), 0);
}

static void assert_set(const struct cidr_set *set, enum ip_family family, const char *expected)
{
        char text[CIDR_TEXT_SIZE], all[1024] = "";

        for (size_t i = 0; i < set->count; i++) {
                strcat(all, i ? " " : "");
                strcat(all,
                       cidr_format(&(struct cidr){ family, set->items[i].first, set->items[i].last }, text));
        }
        assert_string_equal(all, expected);
}

static void overlapping_and_adjacent_networks_become_one_range(void **state)
{
        _cleanup_cidr_set_ set = {}, six = {};

        add(&set, "10.0.1.0/24");
        add(&set, "255.255.255.255");
        add(&set, "10.0.0.0/24");
        add(&set, "10.0.0.0/25");
        add(&set, "255.255.255.254");
        add(&set, "0.0.0.0");
        add(&set, "10.0.3.7");
        cidr_set_merge(&set);
        assert_set(&set, IP_V4, "0.0.0.0 10.0.0.0/23 10.0.3.7 255.255.255.254/31");

        add(&six, "ffff::/16");
        add(&six, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        add(&six, "::");
        cidr_set_merge(&six);
        assert_set(&six, IP_V6, ":: ffff::/16");
}

static void differences_are_exact(void **state)
{
        _cleanup_cidr_set_ a = {}, b = {}, all = {}, difference = {}, rest = {};

        add(&a, "10.0.0.0/24");
        add(&a, "10.2.0.0/16");
        add(&b, "10.0.0.0-10.0.0.9");
        add(&b, "10.0.0.255-10.2.0.0");
        add(&b, "10.2.255.255");
        add(&all, "0.0.0.0/0");
        cidr_set_merge(&a);
        cidr_set_merge(&b);
        assert_int_equal(cidr_set_subtract(&a, &b, &difference), 0);
        assert_set(&difference, IP_V4, "10.0.0.10-10.0.0.254 10.2.0.1-10.2.255.254");
        assert_int_equal(cidr_set_subtract(&a, &all, &rest), 0);
        assert_int_equal(rest.count, 0);
        assert_int_equal(cidr_set_subtract(&all, &a, &rest), 0);
        assert_set(&rest, IP_V4, "0.0.0.0-9.255.255.255 10.0.1.0-10.1.255.255 10.3.0.0-255.255.255.255");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hostile_text_is_no_network),
                cmocka_unit_test(networks_are_ranges_with_both_edges),
                cmocka_unit_test(overlapping_and_adjacent_networks_become_one_range),
                cmocka_unit_test(differences_are_exact),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
