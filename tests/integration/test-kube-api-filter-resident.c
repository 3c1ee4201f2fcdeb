/* SPDX-License-Identifier: Apache-2.0 */

/* The resident filter proves lists by a real TLS server, and takes back what it cannot prove. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "filter-node.h"
#include "network-lab.h"
#include "pki.h"
#include "program.h"

/* Somebody's connection from the address to the node is open. */
static bool is_connected(void *userdata)
{
        _cleanup_free_ char *command = NULL;

        assert_true(
                asprintf(&command,
                         "test -n \"$(ss --no-header --tcp state established 'sport = :6444 and dst %s')\"",
                         (const char *)userdata) > 0);
        return system(command) == 0;
}

static void the_first_list_waits_for_the_api_and_is_then_confirmed(void **state)
{
        configure("{" FRIENDS "}");
        start_filter();
        wait_for("AwaitingAPI");
        wait_until(report_is, ".info.phase == \"Pending\"", "the phase");
        /* Counting, and nobody is shut out: a closed port answers. */
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_REFUSED);
        start_api();
        wait_for("ListInForce");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
}

/* It costs half a megabyte of relocations and its own heap; what needs it is the program endpoint-exchange.
 */
static void the_resident_program_maps_no_openssl(void **state)
{
        _cleanup_free_ char *command = NULL;

        put_in_force("{" FRIENDS "}");
        assert_true(asprintf(&command, "! grep -E 'libcrypto|libssl' /proc/%d/maps", (int)filter) > 0);
        lab_node(command);
}

static void the_authority_may_be_inside_of_the_kubeconfig(void **state)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command,
                             "sed -i \"s|certificate-authority: /ca.crt|certificate-authority-data: "
                             "$(base64 -w0 %s/ca.crt)|\" %s/etc/kubernetes/kubelet.conf && rm %s/ca.crt",
                             root, root, root) > 0);
        lab_node(command);
        put_in_force("{" FRIENDS "}");
}

static void an_api_of_another_authority_is_no_answer(void **state)
{
        struct identity other = identity_make(NULL, "kubernetes", "test", true, 1);

        identity_save(&other, root, "ca");
        identity_clear(&other);
        configure("{" FRIENDS "}");
        start_api();
        start_filter();
        wait_until(has_condition,
                   &(struct wanted_condition){ "AwaitingAPI", "TLS with 127.0.0.1 port 6443: " },
                   "the refusal");
}

static void at_boot_the_confirmed_list_is_there_before_the_api(void **state)
{
        put_in_force("{" FRIENDS "}");
        assert_int_equal(stop_filter(SIGTERM), 0);
        stop_api();
        lab_node("nft flush ruleset");
        start_filter();
        wait_until(stranger_is_out, NULL, "the confirmed list");
}

static void without_an_answer_the_list_before_comes_back(void **state)
{
        put_in_force("{" FRIENDS "}");
        /* A list that breaks the API looks like this. */
        kill(api, SIGSTOP);
        configure("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        wait_for("AwaitingAPI");
        assert_int_equal(run("apply", "--confirm", "4s"), 0);
        wait_for("RolledBack");
        kill(api, SIGCONT);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
}

static void killed_in_a_trial_it_goes_on_with_it(void **state)
{
        put_in_force("{" FRIENDS "}");
        kill(api, SIGSTOP);
        configure("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        wait_for("AwaitingAPI");
        assert_int_equal(run("apply", NULL, NULL), 0);
        wait_for("AwaitingConfirmation");
        assert_int_equal(stop_filter(SIGKILL), -SIGKILL);
        start_filter();
        kill(api, SIGCONT);
        wait_for("ListInForce");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
}

static void after_a_boot_in_the_middle_of_a_trial_the_confirmed_list_is_in_force(void **state)
{
        _cleanup_free_ char *boot = NULL;

        put_in_force("{" FRIENDS "}");
        kill(api, SIGSTOP);
        configure("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        wait_for("AwaitingAPI");
        assert_int_equal(run("apply", NULL, NULL), 0);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
        assert_int_equal(stop_filter(SIGKILL), -SIGKILL);
        assert_true(
                asprintf(&boot,
                         "nft flush ruleset && sed -i 's/\"bootId\":\"[^\"]*/\"bootId\":\"the boot before/' "
                         "%s/var/lib/capi-node-agent/kube-api-filter/state.json",
                         root) > 0);
        lab_node(boot);
        start_filter();
        wait_until(stranger_is_out, NULL, "the confirmed list");
        kill(api, SIGCONT);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
}

/* Nodes that were talking must be heard of under the new list; here another table keeps one from it. */
static void a_list_is_not_confirmed_before_a_talking_node_was_heard_of(void **state)
{
        pid_t listener = lab_listen(6444);
        int node;

        put_in_force(
                "{ \"ports\": [6443, 6444], \"nodes\": [\"10.9.0.0/24\"], \"allow\": [\"203.0.113.0/24\"] }");
        node = lab_connect(ROUTER_V4, 6444);
        lab_node("nft 'add table inet lab; add chain inet lab in { type filter hook input priority 10; }; "
                 "add rule inet lab in ip saddr " ROUTER_V4 " drop'");
        configure(
                "{ \"ports\": [6443, 6444], \"nodes\": [\"10.9.0.0/24\"], \"allow\": [\"203.0.113.0/25\"] }");
        wait_until(has_condition,
                   &(struct wanted_condition){ "AwaitingConfirmation", "not heard of yet: " ROUTER_V4 },
                   "the node to be missed");
        lab_node("nft delete table inet lab");
        assert_int_equal(send(node, "x", 1, MSG_NOSIGNAL), 1);
        wait_for("ListInForce");
        close(node);
        assert_int_equal(program_stop(listener, SIGKILL), -SIGKILL);
}

/* Whom the class has was talking, falls silent under the new list, and cannot confirm it. In the time that it
 * has, the API is to answer, or that would be the reason. */
static void take_back_when_silent(const char *class)
{
        pid_t listener = lab_listen(6444);
        _cleanup_free_ char *before = NULL, *after = NULL;
        int needed;

        assert_true(asprintf(&before,
                             "{ \"ports\": [6443, 6444], %s: [\"198.51.100.9\"], \"allow\": "
                             "[\"203.0.113.0/24\"], \"confirm\": \"10s\" }",
                             class) > 0);
        assert_true(asprintf(&after,
                             "{ \"ports\": [6443, 6444], %s: [\"198.51.100.9\"], \"allow\": "
                             "[\"192.0.2.0/24\"], \"confirm\": \"10s\" }",
                             class) > 0);
        put_in_force(before);
        needed = lab_connect(STRANGER, 6444);
        lab_node("nft 'add table inet lab; add chain inet lab in { type filter hook input priority 10; }; "
                 "add rule inet lab in ip saddr " STRANGER " drop'");
        configure(after);
        wait_until(has_condition, &(struct wanted_condition){ "RolledBack", "not heard of since: " STRANGER },
                   "the rollback");
        lab_node("nft delete table inet lab");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(OTHER, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        close(needed);
        assert_int_equal(program_stop(listener, SIGKILL), -SIGKILL);
}

static void a_list_under_which_the_management_side_falls_silent_is_taken_back(void **state)
{
        take_back_when_silent("\"nodes\": [], \"management\"");
}

static void a_list_under_which_a_node_falls_silent_is_taken_back(void **state)
{
        take_back_when_silent("\"nodes\"");
}

/* The node's own way to the API leads through the load balancer, whose address no list may forget. */
static void a_list_that_shuts_out_the_load_balancer_is_refused_or_taken_back(void **state)
{
        pid_t listener = lab_listen(6444), kubelet;

        lab_clients("sysctl -q net.ipv4.ip_forward=1 && nft 'add table ip lab; "
                    "add chain ip lab in { type nat hook prerouting priority -100; }; "
                    "add rule ip lab in ip daddr " BALANCER " dnat to " NODE_V4 "; "
                    "add chain ip lab out { type nat hook postrouting priority 100; }; "
                    "add rule ip lab out ct status dnat ip daddr " NODE_V4 " snat to " BALANCER "'");
        join_by(BALANCER);
        put_in_force("{ \"ports\": [6443, 6444], " FRIENDS " }");
        lab_node("nft list counter inet capi_node_agent accepted_loadBalancer_v4 | grep -q 'packets [1-9]'");
        kubelet = program_start("/bin/bash", (const char *const[]){ "-c",
                                                                    "exec 3<>/dev/tcp/" BALANCER "/6444 && "
                                                                    "exec sleep 1000",
                                                                    NULL });
        wait_until(is_connected, BALANCER, "the kubelet's connection");
        configure("{ \"ports\": [6443, 6444], \"loadBalancer\": [], \"confirm\": \"4s\", " FRIENDS " }");
        wait_until(has_condition, &(struct wanted_condition){ "WouldCutOff", BALANCER " (loadBalancer)" },
                   "the refusal");
        assert_int_equal(program_stop(kubelet, SIGKILL), -SIGKILL);
        wait_for("RolledBack");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        lab_node("timeout 60 bash -c '</dev/tcp/" BALANCER "/6443'");
        assert_int_equal(program_stop(listener, SIGKILL), -SIGKILL);
        lab_clients("nft delete table ip lab");
}

static bool stranger_is_in(void *userdata)
{
        return lab_reach(STRANGER, API_PORT) == REACH_CONNECTED;
}

static void write_hosts(const char *text)
{
        _cleanup_free_ char *command = NULL;

        /* The file that is mounted is written, not replaced. */
        assert_true(asprintf(&command, "echo '%s' >%s/hosts", text, root) > 0);
        lab_node(command);
}

static void a_name_of_the_management_side_is_looked_up_and_its_last_address_kept(void **state)
{
        _cleanup_free_ char *mounts = NULL;

        write_hosts(STRANGER " capi.test");
        assert_true(asprintf(&mounts,
                             "mount --bind %s/hosts /etc/hosts && mount --bind /dev/null /etc/resolv.conf",
                             root) > 0);
        lab_node(mounts);
        put_in_force("{ " FRIENDS ", \"management\": [\"capi.test\"] }");
        wait_until(stranger_is_in, NULL, "the address of the name");
        assert_int_equal(stop_filter(SIGTERM), 0);
        /* No name server answers any more, and everything is made anew. */
        write_hosts("");
        lab_node("nft flush ruleset");
        start_filter();
        wait_until(other_is_out, NULL, "the list");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        /* The management side has moved. s_server serves one connection at a time, and one whose end the
         * filter has cut off would keep it busy for ever. */
        assert_int_equal(stop_filter(SIGTERM), 0);
        stop_api();
        start_api();
        write_hosts(OTHER " capi.test");
        start_filter();
        wait_until(other_is_in, NULL, "the name's new address");
        lab_node("umount /etc/hosts /etc/resolv.conf");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_first_list_waits_for_the_api_and_is_then_confirmed),
                TEST(the_resident_program_maps_no_openssl),
                TEST(the_authority_may_be_inside_of_the_kubeconfig),
                TEST(an_api_of_another_authority_is_no_answer),
                TEST(at_boot_the_confirmed_list_is_there_before_the_api),
                TEST(without_an_answer_the_list_before_comes_back),
                TEST(killed_in_a_trial_it_goes_on_with_it),
                TEST(after_a_boot_in_the_middle_of_a_trial_the_confirmed_list_is_in_force),
                TEST(a_list_is_not_confirmed_before_a_talking_node_was_heard_of),
                TEST(a_list_under_which_the_management_side_falls_silent_is_taken_back),
                TEST(a_list_under_which_a_node_falls_silent_is_taken_back),
                TEST(a_list_that_shuts_out_the_load_balancer_is_refused_or_taken_back),
                TEST(a_name_of_the_management_side_is_looked_up_and_its_last_address_kept),
        };

        return cmocka_run_group_tests(tests, lab_open, lab_close);
}
