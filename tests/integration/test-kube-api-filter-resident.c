/* SPDX-License-Identifier: Apache-2.0 */

/* The resident filter: it proves lists by a real TLS server, and keeps the table against others. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "network-lab.h"
#include "pki.h"
#include "program.h"
#include "quantity.h"
#include "report.h"
#include "timestamp.h"

#define CONFIG "etc/capi-node-agent/kube-api-filter.json"
#define REPORT "run/capi-node-agent/reports/kube-api-filter.json"

#define FRIENDS "\"allow\": [\"203.0.113.0/24\"], \"nodes\": []"

static char *root;
static pid_t api, filter;

static bool api_listens(void *userdata)
{
        return lab_reach(FRIEND, API_PORT) == REACH_CONNECTED;
}

static void start_api(void)
{
        _cleanup_free_ char *certificate = NULL, *key = NULL;

        assert_true(asprintf(&certificate, "%s/api.crt", root) > 0 && asprintf(&key, "%s/api.key", root) > 0);
        api = program_start("/usr/bin/openssl",
                            (const char *const[]){ "s_server", "-quiet", "-accept", "6443", "-www", "-cert",
                                                   certificate, "-key", key, NULL });
        wait_until(api_listens, NULL, "the API");
}

static void stop_api(void)
{
        if (api > 0)
                (void)program_stop(api, SIGKILL);
        api = 0;
}

static void start_program(const char *program)
{
        filter = program_start(program, (const char *const[]){ "--root", root, "daemon", NULL });
}

static void start_filter(void)
{
        start_program(KUBE_API_FILTER);
}

static int stop_filter(int signal)
{
        pid_t pid = filter;

        filter = 0;
        return pid > 0 ? program_stop(pid, signal) : 0;
}

static int run(const char *command, const char *argument, const char *value)
{
        return program_wait(program_start(KUBE_API_FILTER, (const char *const[]){ "--root", root, command,
                                                                                  argument, value, NULL }));
}

/* A node that has joined: a kubelet.conf that names the API's endpoint and CA. */
static int make_root(void **state)
{
        struct identity ca = identity_make(NULL, "kubernetes", "test", true, 1);
        struct identity server = identity_make(&ca, "kube-apiserver", "test", false, 1);
        _cleanup_free_ char *text = NULL, *pki = NULL;

        root = root_make();
        identity_save(&ca, root, "ca");
        identity_save(&server, root, "api");
        identity_clear(&ca);
        identity_clear(&server);
        assert_true(asprintf(&pki, "mkdir -p %s/etc/kubernetes", root) > 0);
        lab_node(pki);
        assert_true(asprintf(&text, "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
                                    "contexts: [{ name: a, context: { cluster: a, user: a } }]\n"
                                    "clusters: [{ name: a, cluster: { server: \"https://127.0.0.1:6443\", "
                                    "certificate-authority: /ca.crt } }]\n"
                                    "users: [{ name: a, user: { client-certificate: /api.crt, client-key: "
                                    "/api.key } }]\n") > 0);
        root_write(root, "etc/kubernetes/kubelet.conf", text, 0600);
        return 0;
}

static int remove_root(void **state)
{
        (void)stop_filter(SIGTERM);
        stop_api();
        assert_int_equal(run("undo", NULL, NULL), 0);
        root_remove(root);
        return 0;
}

struct wanted_condition {
        const char *reason, *message; /* a part of it, or NULL */
};

static bool has_condition(void *userdata)
{
        const struct wanted_condition *wanted = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *text = root_read(root, REPORT);

        if (!text || report_parse(text, strlen(text), &report, NULL) < 0)
                return false;
        for (size_t i = 0; i < report->n_conditions; i++)
                if (strcmp(report->conditions[i].reason, wanted->reason) == 0 &&
                    (!wanted->message || strstr(report->conditions[i].message, wanted->message)))
                        return true;
        return false;
}

static void wait_for(const char *reason)
{
        wait_until(has_condition, &(struct wanted_condition){ reason, NULL }, reason);
}

static void configure(const char *text)
{
        root_write(root, CONFIG, text, 0644);
}

static bool stranger_is_out(void *userdata)
{
        return system("nft list chain inet capi_node_agent input >/dev/null 2>&1") == 0 &&
               !lab_passes(STRANGER, API_PORT);
}

/* With the API and the filter running, and the list confirmed. */
static void put_in_force(const char *config)
{
        configure(config);
        start_api();
        start_filter();
        wait_for("ListInForce");
}

static void the_first_list_waits_for_the_api_and_is_then_confirmed(void **state)
{
        configure("{" FRIENDS "}");
        start_filter();
        wait_for("AwaitingAPI");
        /* Counting, and nobody is shut out: a closed port answers. */
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_REFUSED);
        start_api();
        wait_for("ListInForce");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
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

/* Whom the class has was talking, falls silent under the new list, and cannot confirm it. */
static void take_back_when_silent(const char *class)
{
        pid_t listener = lab_listen(6444);
        _cleanup_free_ char *before = NULL, *after = NULL;
        int needed;

        assert_true(asprintf(&before,
                             "{ \"ports\": [6443, 6444], %s: [\"198.51.100.9\"], \"allow\": "
                             "[\"203.0.113.0/24\"], \"confirm\": \"4s\" }",
                             class) > 0);
        assert_true(asprintf(&after,
                             "{ \"ports\": [6443, 6444], %s: [\"198.51.100.9\"], \"allow\": "
                             "[\"192.0.2.0/24\"], \"confirm\": \"4s\" }",
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

static bool stranger_is_in(void *userdata)
{
        return lab_reach(STRANGER, API_PORT) == REACH_CONNECTED;
}

static bool other_is_in(void *userdata)
{
        return lab_reach(OTHER, API_PORT) == REACH_CONNECTED;
}

static bool other_is_out(void *userdata)
{
        return lab_reach(OTHER, API_PORT) == REACH_DROPPED;
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
        /* The management side has moved. */
        assert_int_equal(stop_filter(SIGTERM), 0);
        write_hosts(OTHER " capi.test");
        start_filter();
        wait_until(other_is_in, NULL, "the name's new address");
        lab_node("umount /etc/hosts /etc/resolv.conf");
}

/* show [--json] has the text, or has not. */
static bool shows(const char *json, const char *text)
{
        _cleanup_free_ char *command = NULL;
        int status;

        assert_true(asprintf(&command, "%s --root %s show %s | grep -qE '%s'", KUBE_API_FILTER, root, json,
                             text) > 0);
        status = system(command);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status) == 0;
}

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
                wait_until(stranger_is_out, NULL, commands[i]);
                assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
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
        put_in_force("{" FRIENDS "}");
        for (unsigned i = 0; i < 30; i++) {
                lab_node("nft flush ruleset");
                poll(NULL, 0, 20);
        }
        wait_until(has_condition, &(struct wanted_condition){ "AnotherWriter", "nft (pid" },
                   "the condition that names who fights");
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
                TEST(the_first_list_waits_for_the_api_and_is_then_confirmed),
                TEST(at_boot_the_confirmed_list_is_there_before_the_api),
                TEST(without_an_answer_the_list_before_comes_back),
                TEST(killed_in_a_trial_it_goes_on_with_it),
                TEST(after_a_boot_in_the_middle_of_a_trial_the_confirmed_list_is_in_force),
                TEST(a_list_is_not_confirmed_before_a_talking_node_was_heard_of),
                TEST(a_list_under_which_the_management_side_falls_silent_is_taken_back),
                TEST(a_list_under_which_a_node_falls_silent_is_taken_back),
                TEST(a_name_of_the_management_side_is_looked_up_and_its_last_address_kept),
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
