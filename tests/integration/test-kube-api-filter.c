/* SPDX-License-Identifier: Apache-2.0 */

/* The filter on real packets, by its commands: without a resident process, so that whatever happens, the
 * kernel does it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/sockios.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "files.h"
#include "filter.h"
#include "network-lab.h"
#include "program.h"
#include "quantity.h"
#include "timestamp.h"

#define CONFIG "etc/capi-node-agent/kube-api-filter.json"
#define STATE  "var/lib/capi-node-agent/kube-api-filter"

static char *root;

static int run(const char *command, const char *argument, const char *value)
{
        return program_wait(program_start(KUBE_API_FILTER, (const char *const[]){ "--root", root, command,
                                                                                  argument, value, NULL }));
}

static void configure(const char *text)
{
        root_write(root, CONFIG, text, 0644);
}

static void put_in_force(const char *text)
{
        configure(text);
        assert_int_equal(run("apply", "--force", NULL), 0);
        (void)run("confirm", NULL, NULL); /* there is nothing to confirm when the list only grows */
}

static int make_root(void **state)
{
        root = root_make();
        return 0;
}

static int remove_root(void **state)
{
        assert_int_equal(run("undo", NULL, NULL), 0);
        root_remove(root);
        return 0;
}

#define FRIENDS "\"allow\": [\"203.0.113.0/24\", \"2001:db8:a::/48\"], \"nodes\": [\"10.9.0.2\"]"

static void listed_sources_get_in_and_others_do_not(void **state)
{
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        put_in_force("{" FRIENDS "}");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(FRIEND_SIX, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(ROUTER_V4, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach(STRANGER_SIX, API_PORT), REACH_DROPPED);
        /* Only the listed ports are anybody's business. */
        assert_int_equal(lab_reach(STRANGER, 6444), REACH_REFUSED);
}

static void node_connects_to(const char *address)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "timeout 10 bash -c '</dev/tcp/%s/%d'", address, API_PORT) > 0);
        lab_node(command);
}

#define LINK_LOCAL "/dev/shm/capi-node-test-link-local"
/* An address of the node that a load balancer puts in the place of others'. */
#define VIRTUAL "10.9.0.50"

static void the_node_itself_and_its_neighbours_on_the_link_are_let_in_unlisted(void **state)
{
        static const char *const own[] = { "127.0.0.1", "::1", NODE_V4, NODE_V6 };

        put_in_force("{\"allow\": [\"192.0.2.0/24\"], \"nodes\": [], \"loadBalancer\": []}");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
        for (size_t i = 0; i < ELEMENTS(own); i++)
                node_connects_to(own[i]);
        lab_node("ip -6 -o address show dev node0 scope link | sed 's/.*inet6 \\([^/]*\\).*/\\1/' "
                 ">" LINK_LOCAL);
        /* The link's own addresses take a moment until they may be used. */
        lab_clients("for i in 1 2 3 4 5 6 7 8; do timeout 3 bash -c \"</dev/tcp/$(cat " LINK_LOCAL
                    ")%client0/6443\" && break; done; r=$?; rm " LINK_LOCAL "; exit $r");
        /* Its answers go to the node itself; that its packets were let in is seen by the counter. */
        lab_node("sysctl -q net.ipv4.conf.node0.accept_local=1 && ip address add " VIRTUAL "/32 dev lo");
        lab_add_client(VIRTUAL);
        (void)lab_reach(VIRTUAL, API_PORT);
        lab_node("nft list counter inet capi_node_agent accepted_own_v4 | grep -q 'packets [1-9]'");
        lab_node("ip address del " VIRTUAL "/32 dev lo");
        lab_clients("ip address del " VIRTUAL "/32 dev lo");
}

static void masqueraded_clients_are_who_they_look_like(void **state)
{
        put_in_force("{" FRIENDS "}");
        lab_clients("nft add table ip lab && nft add chain ip lab out '{ type nat hook postrouting "
                    "priority 100; }' && nft add rule ip lab out ip saddr " STRANGER " masquerade");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        lab_clients("nft delete table ip lab");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
}

static bool is_answered(int fd)
{
        /* What is written stays unacknowledged when its packets are dropped. */
        int unsent = 0;

        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        for (unsigned i = 0; i < 300; i++) {
                struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

                assert_int_equal(ioctl(fd, SIOCOUTQ, &unsent), 0);
                if (unsent == 0)
                        return true;
                nanosleep(&pause, NULL);
        }
        return false;
}

static void an_open_connection_of_a_withdrawn_network_is_cut(void **state)
{
        int stranger, friend;

        put_in_force("{\"allow\": [\"203.0.113.0/24\", \"198.51.100.0/24\"], \"nodes\": []}");
        stranger = lab_connect(STRANGER, API_PORT);
        friend = lab_connect(FRIEND, API_PORT);
        assert_true(is_answered(stranger));
        put_in_force("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        assert_false(is_answered(stranger));
        assert_true(is_answered(friend));
        close(stranger);
        close(friend);
}

static bool stranger_passes(void *userdata)
{
        return lab_passes(STRANGER, API_PORT);
}

#define SHORT_SECONDS 4
#define SHORT         "4s"

/* Whether it was so, or the short time since was over before that could be seen. */
static bool reached_in_time(uint64_t since_usec, const char *source, enum reach expected)
{
        return lab_reach(source, API_PORT) == expected ||
               now_boottime_usec() - since_usec > SHORT_SECONDS * USEC_PER_SEC;
}

static void the_kernel_goes_back_by_itself_when_nobody_confirms(void **state)
{
        uint64_t began;

        put_in_force("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        configure("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        began = now_boottime_usec();
        assert_int_equal(run("apply", "--confirm", SHORT), 0);
        /* From here on no process of ours runs. */
        assert_true(reached_in_time(began, STRANGER, REACH_DROPPED));
        assert_true(reached_in_time(began, FRIEND, REACH_CONNECTED));
        wait_until(stranger_passes, NULL, "the old list");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
        assert_int_equal(run("confirm", NULL, NULL), 1);
}

static void a_rollback_and_a_pause_take_effect_at_once(void **state)
{
        uint64_t began;

        put_in_force("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        configure("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        assert_int_equal(run("apply", "--confirm", "1h"), 0);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        assert_int_equal(run("rollback", NULL, NULL), 0);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
        began = now_boottime_usec();
        assert_int_equal(run("disable", "--for", SHORT), 0);
        assert_true(reached_in_time(began, FRIEND, REACH_CONNECTED));
        /* The kernel ends it. */
        for (uint64_t deadline = now_boottime_usec() + test_patience() * DEADLINE_SECONDS * USEC_PER_SEC;
             lab_passes(FRIEND, API_PORT);)
                assert_true(now_boottime_usec() < deadline);
        assert_int_equal(run("disable", "--for", "1h"), 0);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(run("enable", NULL, NULL), 0);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
}

static void a_list_that_cuts_off_the_management_side_is_refused(void **state)
{
        int management;

        put_in_force("{\"management\": [\"198.51.100.0/24\"], \"nodes\": []}");
        management = lab_connect(STRANGER, API_PORT);
        configure("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        assert_int_equal(run("preview", NULL, NULL), 1);
        assert_int_equal(run("apply", NULL, NULL), 1);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        assert_int_equal(run("apply", "--force", NULL), 0);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        close(management);
}

/* Standard output of a command, and its exit status. */
static int say(const char *command, const char *argument, char **ret_text)
{
        _cleanup_free_ char *line = NULL;
        int status;

        assert_true(asprintf(&line, "%s --root %s %s %s >%s/said 2>&1", KUBE_API_FILTER, root, command,
                             argument, root) > 0);
        status = system(line);
        assert_true(WIFEXITED(status));
        *ret_text = root_read(root, "said");
        assert_non_null(*ret_text);
        return WEXITSTATUS(status);
}

static void says(const char *command, const char *argument, int status, const char *text)
{
        _cleanup_free_ char *said = NULL;
        int found = say(command, argument, &said);

        if (found != status || !strstr(said, text))
                fail_msg("%s %s: %d, %s", command, argument, found, said);
}

static void a_preview_of_a_file_names_who_would_be_cut_off_and_changes_nothing(void **state)
{
        _cleanup_free_ char *file = NULL, *lacking = NULL, *said = NULL;
        int stranger, node;

        assert_true(asprintf(&file, "%s/new.json", root) > 0 && asprintf(&lacking, "%s/lacks", root) > 0);
        put_in_force("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": [\"auto\"]}");
        stranger = lab_connect(STRANGER, API_PORT);
        /* Of tests before, whose last packets were dropped, somebody may be connected still. */
        assert_int_equal(say("preview", "", &said), 0);
        assert_null(strstr(said, STRANGER));
        root_write(root, "new.json", "{\"allow\": [\"203.0.113.0/24\"], \"nodes\": [\"auto\"]}", 0644);
        says("preview", file, 0, STRANGER);
        node = lab_connect(ROUTER_V4, API_PORT);
        root_write(root, "new.json", "{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}", 0644);
        says("preview", file, 1, "refused unless forced, because of " ROUTER_V4 " (nodes)");
        root_write(root, "new.json", "{\"allow\": [\"203.0.113.0/33\"]}", 0644);
        says("preview", file, 78, "/allow/0");
        says("preview", lacking, 78, "");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
        close(stranger);
        close(node);
}

static void a_test_says_which_entry_decides_and_the_packets_agree(void **state)
{
        static const struct {
                const char *source, *text;
                int status;
        } sources[] = {
                { FRIEND, "let in: allow 203.0.113.0/24 of the confirmed list", 0 },
                { "203.0.113.5:6443", "let in: allow 203.0.113.0/24 of the confirmed list", 0 },
                { "[" FRIEND_SIX "]:6443", "let in: allow 2001:db8:a::/48", 0 },
                { ROUTER_V4, "let in: nodes 10.9.0.2", 0 },
                { "127.0.0.1", "loopback", 0 },
                { "fe80::1", "link-local", 0 },
                { NODE_V4, "an address of this node", 0 },
                { STRANGER, "drop", 1 },
                { STRANGER_SIX, "drop", 1 },
                { STRANGER ":6444", "let in: the port is not filtered", 0 },
                { "nonsense", "", 64 },
                { STRANGER ":65536", "", 64 },
        };

        put_in_force("{" FRIENDS "}");
        for (size_t i = 0; i < ELEMENTS(sources); i++)
                says("test", sources[i].source, sources[i].status, sources[i].text);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        configure("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        assert_int_equal(run("apply", "--confirm", "1h"), 0);
        says("test", STRANGER, 0, "let in: allow 198.51.100.0/24 of the list on trial");
}

static void a_list_that_cuts_off_a_connected_node_is_refused(void **state)
{
        int node = lab_connect(ROUTER_V4, API_PORT);

        configure("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        assert_int_equal(run("apply", NULL, NULL), 1);
        assert_int_equal(lab_reach(ROUTER_V4, API_PORT), REACH_CONNECTED);
        configure("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": [\"auto\"]}");
        assert_int_equal(run("apply", NULL, NULL), 0);
        close(node);
}

static void an_audit_only_counts(void **state)
{
        configure("{\"mode\": \"audit\", " FRIENDS "}");
        assert_int_equal(run("apply", NULL, NULL), 0);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
        lab_node("nft list counter inet capi_node_agent audited_v4 | grep -q 'packets [1-9]'");
}

static void a_list_that_only_grows_needs_no_confirmation(void **state)
{
        put_in_force("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        configure("{\"allow\": [\"203.0.113.0/24\", \"198.51.100.0/24\"], \"nodes\": []}");
        assert_int_equal(run("apply", NULL, NULL), 0);
        assert_int_equal(run("confirm", NULL, NULL), 1);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
}

static void without_its_state_it_trusts_nothing_of_a_table_that_is_there(void **state)
{
        _cleanup_free_ char *command = NULL;

        put_in_force("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        assert_true(asprintf(&command, "rm -r %s/" STATE, root) > 0);
        lab_node(command);
        put_in_force("{\"allow\": [\"198.51.100.0/24\"], \"nodes\": []}");
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
}

static void counters_survive_every_change(void **state)
{
        put_in_force("{\"allow\": [\"203.0.113.0/24\"], \"nodes\": []}");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        put_in_force("{\"allow\": [\"203.0.113.0/25\"], \"nodes\": []}");
        lab_node("nft list counter inet capi_node_agent dropped_v4 | grep -q 'packets [1-9]'");
}

static void show_has(const char *text)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "%s --root %s show | grep -qF '%s'", KUBE_API_FILTER, root, text) > 0);
        lab_node(command);
}

static void who_was_refused_and_who_else_drops_is_shown(void **state)
{
        put_in_force("{" FRIENDS "}");
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach(STRANGER_SIX, API_PORT), REACH_DROPPED);
        lab_node("nft 'add table ip lab; add chain ip lab in { type filter hook input priority 10; policy "
                 "drop; }'");
        show_has("203.0.113.0/24");
        show_has("  " STRANGER);
        show_has("  " STRANGER_SIX);
        show_has("dropped_v4");
        show_has("repaired 0 times");
        show_has("dropped, too: ip lab in");
        lab_node("nft delete table ip lab");
}

static struct filter_list *make_list(const char *const *networks, size_t n)
{
        struct filter_list *list;
        struct cidr cidr;

        assert_int_equal(filter_list_new(&list), 0);
        assert_int_equal(filter_list_add_port(list, API_PORT), 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(cidr_parse(networks[i], &cidr), 0);
                assert_int_equal(filter_list_add(list, CLASS_ALLOW, &cidr), 0);
        }
        filter_list_finish(list);
        return list;
}

static void switch_to(struct filter *filter, struct filter_list *list)
{
        assert_int_equal(filter_want(filter, list, NULL), 0);
        if (filter_phase(filter) == FILTER_CONFIRMED)
                return;
        assert_int_equal(filter_try(filter, USEC_PER_HOUR, true, NULL), 0);
        assert_int_equal(filter_confirm(filter, NULL), 0);
}

/* In a process of its own, which is killed at this point of the trial, if that is not NULL. */
static void try_in_child(struct filter_list *list, const char *point)
{
        _cleanup_free_ char *directory = NULL;
        struct filter *filter;
        int status;
        pid_t pid;

        assert_true(asprintf(&directory, "%s/" STATE, root) > 0);
        assert_int_equal(directory_make(directory, 0700), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (filter_open(directory, &filter, NULL) < 0 || filter_want(filter, list, NULL) < 0)
                        _exit(1);
                if (point)
                        setenv("CAPI_NODE_FAULT_POINT", point, 1);
                if (filter_phase(filter) != FILTER_CONFIRMED &&
                    (filter_try(filter, USEC_PER_HOUR, true, NULL) < 0 || filter_confirm(filter, NULL) < 0))
                        _exit(1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(point ? SIGKILL : 0, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Wherever a change is killed, the old list or the new one is in force, and the next one completes. */
static void killed_at_any_step_it_leaves_the_old_or_the_new_list(void **state)
{
        static const struct {
                const char *point;
                enum reach stranger; /* whom only the old list lets in */
        } steps[] = {
                { "kube-api-filter-save", REACH_CONNECTED },
                { "kube-api-filter-load", REACH_CONNECTED },
                { "kube-api-filter-prepared", REACH_CONNECTED },
                { "kube-api-filter-switched", REACH_DROPPED },
                { "kube-api-filter-swept", REACH_DROPPED },
        };
        _cleanup_(filter_list_unrefp) struct filter_list *both = NULL, *one = NULL;

        both = make_list((const char *const[]){ "203.0.113.0/24", "198.51.100.0/24" }, 2);
        one = make_list((const char *const[]){ "203.0.113.0/24" }, 1);
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                try_in_child(both, NULL);
                assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
                try_in_child(one, steps[i].point);
                assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
                assert_int_equal(lab_reach(STRANGER, API_PORT), steps[i].stranger);
                try_in_child(one, NULL);
                assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
                assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        }
}

#define CONNECTIONS 100 /* at least, while the lists are swapped */

/* Swaps them under connections of a source that is on both. Each is a trial and a confirmation, or a list
 * that grows. */
static void swap(struct filter_list *one, struct filter_list *other, unsigned swaps)
{
        _cleanup_(filter_freep) struct filter *filter = NULL;
        _cleanup_free_ char *directory = NULL;
        int slowest = 0, connections = 0;
        pid_t storm;

        assert_true(asprintf(&directory, "%s/" STATE, root) > 0);
        assert_int_equal(directory_make(directory, 0700), 0);
        assert_int_equal(filter_open(directory, &filter, NULL), 0);
        switch_to(filter, one);
        storm = lab_storm_start(FRIEND, API_PORT);
        /* On a busy machine the storm is the slower one. */
        for (unsigned i = 0; i < swaps / 2 || lab_storm_connections() <= CONNECTIONS; i++)
                switch_to(filter, i % 2 ? one : other);
        assert_int_equal(lab_storm_stop(storm, &slowest, &connections), 0);
        print_message("# %u swaps, %d connections, the slowest took %d ms\n", swaps, connections, slowest);
        assert_true(connections > CONNECTIONS);
        assert_true(slowest >= 0); /* -1: one failed */
        /* Not one packet of it was dropped. (That a busy machine was slow proves nothing.) */
        lab_node("! nft list set inet capi_node_agent refused_v4 | grep -q " FRIEND);
}

static void a_thousand_swaps_lose_no_connection_of_a_listed_source(void **state)
{
        _cleanup_(filter_list_unrefp) struct filter_list *one = NULL, *other = NULL;

        one = make_list((const char *const[]){ "203.0.113.0/24", "192.0.2.0/24" }, 2);
        other = make_list((const char *const[]){ "203.0.113.0/25", "192.0.3.0/24" }, 2);
        swap(one, other, 1000);
}

/* FRIEND's network, and so many others that there are several sets; every other one has these. */
static struct filter_list *make_long_list(const char *network, unsigned first)
{
        struct filter_list *list = make_list(&network, 1);

        for (unsigned i = 0; i < 2000; i++)
                assert_int_equal(filter_list_add(list, CLASS_ALLOW,
                                                 &(struct cidr){ IP_V4, 0x0B000000 + first + i * 16,
                                                                 0x0B000000 + first + i * 16 }),
                                 0);
        filter_list_finish(list);
        return list;
}

static void swaps_of_long_lists_lose_none_either(void **state)
{
        _cleanup_(filter_list_unrefp) struct filter_list *one = NULL, *other = NULL;

        one = make_long_list("203.0.113.0/24", 0);
        other = make_long_list("203.0.113.0/25", 8);
        swap(one, other, 300);
}

/* As kube-proxy is one: each of its transactions makes ours begin again. */
static void a_competing_writer_delays_and_does_not_harm(void **state)
{
        _cleanup_(filter_freep) struct filter *filter = NULL;
        _cleanup_(filter_list_unrefp) struct filter_list *one = NULL, *other = NULL;
        _cleanup_free_ char *directory = NULL;
        pid_t writer;

        assert_true(asprintf(&directory, "%s/" STATE, root) > 0);
        assert_int_equal(directory_make(directory, 0700), 0);
        one = make_list((const char *const[]){ "203.0.113.0/24" }, 1);
        other = make_list((const char *const[]){ "198.51.100.0/24" }, 1);
        assert_int_equal(filter_open(directory, &filter, NULL), 0);
        writer =
                program_start("/bin/sh", (const char *const[]){
                                                 "-c",
                                                 "while :; do nft add table ip lab; nft delete table ip lab; "
                                                 "done",
                                                 NULL });
        for (unsigned i = 0; i < 50; i++)
                switch_to(filter, i % 2 ? one : other);
        assert_int_equal(program_stop(writer, SIGKILL), -SIGKILL);
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(listed_sources_get_in_and_others_do_not),
                TEST(the_node_itself_and_its_neighbours_on_the_link_are_let_in_unlisted),
                TEST(masqueraded_clients_are_who_they_look_like),
                TEST(an_open_connection_of_a_withdrawn_network_is_cut),
                TEST(the_kernel_goes_back_by_itself_when_nobody_confirms),
                TEST(a_rollback_and_a_pause_take_effect_at_once),
                TEST(a_list_that_cuts_off_the_management_side_is_refused),
                TEST(a_preview_of_a_file_names_who_would_be_cut_off_and_changes_nothing),
                TEST(a_test_says_which_entry_decides_and_the_packets_agree),
                TEST(a_list_that_cuts_off_a_connected_node_is_refused),
                TEST(an_audit_only_counts),
                TEST(a_list_that_only_grows_needs_no_confirmation),
                TEST(without_its_state_it_trusts_nothing_of_a_table_that_is_there),
                TEST(counters_survive_every_change),
                TEST(who_was_refused_and_who_else_drops_is_shown),
                TEST(killed_at_any_step_it_leaves_the_old_or_the_new_list),
                TEST(a_thousand_swaps_lose_no_connection_of_a_listed_source),
                TEST(swaps_of_long_lists_lose_none_either),
                TEST(a_competing_writer_delays_and_does_not_harm),
        };

        return cmocka_run_group_tests(tests, lab_open_listening, lab_close);
}
