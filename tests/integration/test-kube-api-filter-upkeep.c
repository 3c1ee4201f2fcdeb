/* SPDX-License-Identifier: Apache-2.0 */

/* The resident filter keeps its table against others, follows what its list is made of, and reports. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "filter-node.h"
#include "network-lab.h"
#include "program.h"
#include "quantity.h"
#include "timestamp.h"

static bool shows_no_automatic_node(void *userdata)
{
        return !shows("", "nodes .* auto$") && !shows("--json", "\"nodes\": *\\[");
}

static void what_the_node_found_by_itself_is_shown_and_can_be_switched_off(void **state)
{
        configure("{ \"mode\": \"audit\", \"allow\": [\"10.9.0.0/24\"], \"pods\": [\"10.244.0.0/16\"] }");
        start_api();
        start_filter();
        wait_for("OnlyCounting");
        assert_true(shows("", "nodes +10\\.9\\.0\\.0/24  auto$"));
        assert_true(shows("", "loadBalancer +127\\.0\\.0\\.1  auto$"));
        assert_true(shows("", "pods +10\\.244\\.0\\.0/16$"));
        assert_true(shows("", "allow +10\\.9\\.0\\.0/24$"));
        assert_true(shows("--json", "\"automatic\""));
        configure("{ \"mode\": \"audit\", \"nodes\": [], \"loadBalancer\": [] }");
        wait_until(shows_no_automatic_node, NULL, "no automatic node");
        assert_false(shows("", "loadBalancer"));
}

static double repair_seconds(void)
{
        _cleanup_free_ char *text = root_read(root, REPORT);
        const char *at = text ? strstr(text, "capi_node_kube_api_filter_repair_seconds") : NULL;

        at = at ? strstr(at, "\"value\":") : NULL;
        return at ? strtod(at + strlen("\"value\":"), NULL) : 0;
}

static bool was_repaired(void *userdata)
{
        return repair_seconds() > 0;
}

/* Also when what others have added shuts everybody out. */
static bool friend_alone_is_in(void *userdata)
{
        return stranger_is_out(userdata) && lab_reach(FRIEND, API_PORT) == REACH_CONNECTED;
}

#define SETS "nft list sets inet | grep -o 'allow_v4_[0-9_]*'"

static void what_others_change_is_repaired_at_once(void **state)
{
        static const char *const commands[] = {
                "nft flush ruleset",
                "nft delete table inet capi_node_agent",
                "nft flush chain inet capi_node_agent input",
                "nft insert rule inet capi_node_agent judge_v4 accept",
                "nft add table inet capi_node_agent '{ flags dormant; }'",
                "nft 'add chain inet capi_node_agent other { type filter hook input priority 5; policy drop; "
                "}'",
                "set=$(nft list table inet capi_node_agent | sed -n 's/.*set "
                "\\(allow_v4_[0-9_]*\\).*/\\1/p') "
                "&& nft add element "
                "inet capi_node_agent $set '{ 198.51.100.0/24 }'",
                /* More notifications at once than the socket holds. */
                "{ echo 'add chain inet capi_node_agent judge_v4 { }; flush chain inet capi_node_agent "
                "judge_v4'; "
                "echo 'add set inet capi_node_agent many { type ipv4_addr; }'; "
                "seq -f 'add element inet capi_node_agent many { 10.1.%g.1 }' 0 255; "
                "seq -f 'add element inet capi_node_agent many { 10.2.%g.1 }' 0 255; "
                "seq -f 'add element inet capi_node_agent many { 10.3.%g.1 }' 0 255; } | nft -f -",
        };

        put_in_force("{" FRIENDS "}");
        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                lab_node(commands[i]);
                wait_until(friend_alone_is_in, NULL, commands[i]);
        }
        wait_until(was_repaired, NULL, "the repair in the report");
        /* A changed rule is no reason to load long lists again. */
        lab_node(SETS " >/dev/shm/capi-node-test-sets && nft flush chain inet capi_node_agent input");
        wait_until(stranger_is_out, NULL, "the rules");
        lab_node(SETS
                 " | cmp - /dev/shm/capi-node-test-sets; r=$?; rm /dev/shm/capi-node-test-sets; exit $r");
        print_message("# the last repair took %.1f ms\n", repair_seconds() * 1000);
}

/* A metric whose labels and value are as jq says. */
static bool report_has(void *userdata)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command,
                             "jq -e '[.metrics[] | .name as $name | .samples[] | {$name} + .] | any(%s)' "
                             "%s/" REPORT " >/dev/null",
                             (const char *)userdata, root) > 0);
        return system(command) == 0;
}

static void the_report_counts_by_reason_and_family_and_knows_the_lists_length(void **state)
{
        static const char *const metrics[] = {
                ".name == \"capi_node_kube_api_filter_packets_total\" and .labels == {verdict: \"accepted\", "
                "reason: \"allow\", family: \"v4\"} and .value > 0",
                ".name == \"capi_node_kube_api_filter_packets_total\" and .labels == {verdict: \"dropped\", "
                "reason: \"unlisted\", family: \"v4\"} and .value > 0",
                ".name == \"capi_node_kube_api_filter_packets_total\" and .labels == {verdict: \"dropped\", "
                "reason: \"unlisted\", family: \"v6\"} and .value > 0",
                ".name == \"capi_node_kube_api_filter_ranges\" and .labels == {list: \"current\", family: "
                "\"v6\"} "
                "and .value == 1",
                ".name == \"capi_node_kube_api_filter_generation\" and .value > 0",
                ".name == \"capi_node_kube_api_filter_last_change_timestamp_seconds\" and .value > "
                "1700000000",
                ".name == \"capi_node_kube_api_filter_repairs_total\" and .value >= 1",
                ".name == \"capi_node_kube_api_filter_repair_exposed_seconds\" and .value > 0",
        };

        put_in_force("{ \"allow\": [\"203.0.113.0/24\", \"2001:db8:a::/48\"], \"nodes\": [] }");
        lab_node("nft flush chain inet capi_node_agent input");
        wait_until(stranger_is_out, NULL, "the repair");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach(STRANGER_SIX, API_PORT), REACH_DROPPED);
        for (size_t i = 0; i < ELEMENTS(metrics); i++)
                wait_until(report_has, (void *)metrics[i], metrics[i]);
        wait_until(report_is,
                   ".info.phase == \"Confirmed\" and (.info.recentlyRefused | sort) == [\"" STRANGER
                   "\", \"" STRANGER_SIX "\"] and (.info.lastForeignWriter | startswith(\"nft (pid \"))",
                   "who was refused, and who changed the table");
        assert_true(shows("", "generation .*, repaired [1-9]"));
}

static void an_allow_file_that_changes_is_in_force_at_once(void **state)
{
        uint64_t began;

        root_write(root, "etc/allow", "203.0.113.0/24\n", 0644);
        put_in_force("{ \"allowFiles\": [\"/etc/allow\"], \"nodes\": [] }");
        assert_true(other_is_out(NULL));
        began = now_boottime_usec();
        root_write(root, "etc/allow", "203.0.113.0/24\n192.0.2.0/24 # of the other\n", 0644);
        wait_until(other_is_in, NULL, "the file's new network");
        print_message("# after %.1f s\n", (double)(now_boottime_usec() - began) / USEC_PER_SEC);
}

/* As behind Octavia's amphora. The program of this test takes a second for long enough, not ten minutes. */
static void behind_a_masquerading_load_balancer_it_says_that_clients_are_hidden(void **state)
{
        static const char *const clients[] = { FRIEND, STRANGER, OTHER };

        configure("{ \"allow\": [\"203.0.113.0/24\"], \"nodes\": [\"auto\"] }");
        start_api();
        lab_clients("nft add table ip lab && nft add chain ip lab out '{ type nat hook postrouting priority "
                    "100; }' "
                    "&& nft add rule ip lab out masquerade");
        start_program(KUBE_API_FILTER_HASTY);
        wait_for("ListInForce");
        for (size_t i = 0; i < ELEMENTS(clients); i++)
                assert_int_equal(lab_reach(clients[i], API_PORT), REACH_CONNECTED);
        wait_until(has_condition, &(struct wanted_condition){ "ClientAddressHidden", "amphora" },
                   "the hidden clients");
        lab_clients("nft delete table ip lab");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        wait_for("ClientAddressesSeen");
}

static void what_others_have_is_left_as_it_is(void **state)
{
        lab_node("nft add table ip filter && nft 'add chain ip filter INPUT { type filter hook input "
                 "priority 0; policy "
                 "accept; }' && nft add rule ip filter INPUT tcp dport 22 counter accept");
        lab_node("nft list table ip filter >/dev/shm/capi-node-test-before");
        put_in_force("{" FRIENDS "}");
        lab_node("nft list table ip filter | cmp - /dev/shm/capi-node-test-before; r=$?; rm "
                 "/dev/shm/capi-node-test-before; nft delete table ip filter; exit $r");
}

static void a_storm_of_flushes_is_survived_and_named(void **state)
{
        struct wanted_condition fight = { "AnotherWriter", "nft (pid" };

        put_in_force("{" FRIENDS "}");
        /* On a busy machine one repair is for several of them. */
        for (unsigned i = 0; i < 30 || (i < 1000 && !has_condition(&fight)); i++) {
                lab_node("nft flush ruleset");
                poll(NULL, 0, 20);
        }
        wait_until(has_condition, &fight, "the condition that names who fights");
        wait_until(stranger_is_out, NULL, "the last repair");
}

static void removing_the_configuration_removes_the_table(void **state)
{
        _cleanup_free_ char *path = NULL;

        put_in_force("{" FRIENDS "}");
        assert_true(asprintf(&path, "rm %s/" CONFIG, root) > 0);
        lab_node(path);
        assert_int_equal(program_wait(filter), 0);
        filter = 0;
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        lab_node("! nft list table inet capi_node_agent 2>/dev/null");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_the_node_found_by_itself_is_shown_and_can_be_switched_off),
                TEST(what_others_change_is_repaired_at_once),
                TEST(the_report_counts_by_reason_and_family_and_knows_the_lists_length),
                TEST(an_allow_file_that_changes_is_in_force_at_once),
                TEST(behind_a_masquerading_load_balancer_it_says_that_clients_are_hidden),
                TEST(what_others_have_is_left_as_it_is),
                TEST(a_storm_of_flushes_is_survived_and_named),
                TEST(removing_the_configuration_removes_the_table),
        };

        return cmocka_run_group_tests(tests, lab_open, lab_close);
}
