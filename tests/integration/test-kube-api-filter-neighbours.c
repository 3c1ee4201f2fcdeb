/* SPDX-License-Identifier: Apache-2.0 */

/* Other programs' rules beside ours: none of them changes by what we do, and ours are none the worse for what
 * they do. ufw and firewalld are the real ones; of Docker, kube-proxy and Calico, which are not in Debian,
 * the rules are (neighbours/). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "network-lab.h"
#include "program.h"
#include "table.h"

#define CONFIG "etc/capi-node-agent/kube-api-filter.json"

static char *root;

static int make_root(void **state)
{
        root = root_make();
        return 0;
}

static int remove_root(void **state)
{
        root_remove(root);
        return 0;
}

static int run(const char *command, const char *argument, const char *value)
{
        return program_wait(program_start(KUBE_API_FILTER, (const char *const[]){ "--root", root, command,
                                                                                  argument, value, NULL }));
}

static void put_in_force(const char *text)
{
        root_write(root, CONFIG, text, 0644);
        assert_int_equal(run("apply", "--force", NULL), 0);
        (void)run("confirm", NULL, NULL);
}

/* A shell command line in which $ROOT is the test's directory. */
static void shell(const char *command)
{
        setenv("ROOT", root, 1);
        lab_node(command);
}

/* Everybody's rules but ours, without counts. */
#define RULES                                                                                         \
        "nft -s list ruleset 2>/dev/null | awk '/^table inet capi_node_agent /{ours=1} !ours{print} " \
        "/^}/{ours=0}'"

static void remember_rules(void)
{
        shell("nft -s list tables | grep -qv capi_node_agent && " RULES
              " >$ROOT/rules && test -s $ROOT/rules");
}

static void check_rules(void)
{
        shell(RULES " | diff $ROOT/rules -");
}

static void check_packets(void)
{
        assert_int_equal(lab_reach(FRIEND, API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
}

/* The neighbour is there; reload is what it does when it writes its rules anew. */
static void live_beside(const char *reload)
{
        remember_rules();
        put_in_force("{\"allow\": [\"203.0.113.0/24\", \"192.0.2.0/24\"], \"nodes\": []}");
        check_rules();
        check_packets();
        put_in_force("{\"allow\": [\"203.0.113.0/25\"], \"nodes\": []}");
        check_rules();
        shell(reload);
        check_packets();
        remember_rules();
        assert_int_equal(run("disable", "--for", "1h"), 0);
        assert_int_equal(run("enable", NULL, NULL), 0);
        assert_int_equal(run("undo", NULL, NULL), 0);
        check_rules();
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_CONNECTED);
}

static void beside_dockers_rules_both_stay_as_they_are(void **state)
{
        static const char restore[] = "iptables-nft-restore <" NEIGHBOURS "/docker.rules";

        shell(restore);
        live_beside(restore);
        shell("nft flush ruleset");
}

static void beside_kube_proxys_iptables_rules_both_stay_as_they_are(void **state)
{
        shell("iptables-nft-restore <" NEIGHBOURS "/kube-proxy.rules");
        live_beside("iptables-nft-restore --noflush <" NEIGHBOURS "/kube-proxy.rules");
        shell("nft flush ruleset");
}

static void beside_kube_proxys_nftables_rules_both_stay_as_they_are(void **state)
{
        shell("nft -f " NEIGHBOURS "/kube-proxy.nft");
        live_beside("(echo 'delete table ip kube-proxy'; cat " NEIGHBOURS "/kube-proxy.nft) | nft -f -");
        shell("nft flush ruleset");
}

static void beside_calicos_rules_both_stay_as_they_are(void **state)
{
        shell("nft -f " NEIGHBOURS "/calico.nft");
        live_beside("(echo 'delete table ip calico'; cat " NEIGHBOURS "/calico.nft) | nft -f -");
        shell("nft flush ruleset");
}

static void check_other_drops(const char *chain)
{
        _cleanup_(netlink_freep) struct netlink *netlink = NULL;
        _cleanup_table_ table = {};

        assert_int_equal(netlink_new(&netlink), 0);
        assert_int_equal(table_read(netlink, &table), 0);
        assert_non_null(table.other_drops);
        if (!strstr(table.other_drops, chain))
                fail_msg("%s: %s", chain, table.other_drops);
}

/* On copies of its configuration, and without its sysctls, which are the machine's. */
static void beside_ufws_rules_both_stay_as_they_are_and_its_policy_is_reported(void **state)
{
        shell("cp -a /etc/ufw $ROOT/ufw && cp /etc/default/ufw $ROOT/default-ufw && "
              "sed -i 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/; s/^IPT_MODULES=.*/IPT_MODULES=/' $ROOT/default-ufw && "
              "mount --bind $ROOT/ufw /etc/ufw && mount --bind $ROOT/default-ufw /etc/default/ufw && "
              "(ufw allow 6443/tcp && ufw --force enable) >/dev/null");
        check_other_drops("ip filter INPUT");
        live_beside("ufw reload >/dev/null");
        shell("ufw --force disable >/dev/null; umount /etc/ufw /etc/default/ufw; nft flush ruleset");
}

static bool firewalld_runs(void *userdata)
{
        return system("firewall-cmd --state >/dev/null 2>&1") == 0;
}

/* On a copy of its configuration, and a bus of its own. Both, and what the bus starts, end with their process
 * namespace, also when this test is killed. */
static void beside_firewallds_rules_both_stay_as_they_are(void **state)
{
        /* It takes its log's permissions from others: never /dev/null. */
        static const char both[] = "dbus-daemon --system --fork --nopidfile && "
                                   "exec firewalld --nofork --nopid --log-file=/run/firewalld.log";
        pid_t firewalld;

        shell("cp -a /etc/firewalld $ROOT/firewalld && mount --bind $ROOT/firewalld /etc/firewalld && "
              "mkdir -p /run/dbus");
        firewalld = program_start("/usr/bin/setpriv",
                                  (const char *const[]){ "--pdeathsig", "KILL", "unshare", "--pid", "--fork",
                                                         "--kill-child", "--mount-proc", "sh", "-c", both,
                                                         NULL });
        wait_until(firewalld_runs, NULL, "firewalld");
        shell("firewall-cmd --quiet --permanent --add-port=6443/tcp && firewall-cmd --quiet --reload");
        live_beside("firewall-cmd --quiet --reload && firewall-cmd --quiet --complete-reload");
        assert_int_equal(program_stop(firewalld, SIGKILL), -SIGKILL);
        shell("umount /etc/firewalld; nft flush ruleset; test -w /run/firewalld.log");
        shell("test \"$(stat --format=%a /dev/null)\" = 666");
}

static int open_lab(void **state)
{
        assert_int_equal(lab_open_listening(state), 0);
        /* ufw's lock and firewalld's bus. */
        return mount("tmpfs", "/run", "tmpfs", 0, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(beside_dockers_rules_both_stay_as_they_are),
                TEST(beside_kube_proxys_iptables_rules_both_stay_as_they_are),
                TEST(beside_kube_proxys_nftables_rules_both_stay_as_they_are),
                TEST(beside_calicos_rules_both_stay_as_they_are),
                TEST(beside_ufws_rules_both_stay_as_they_are_and_its_policy_is_reported),
                TEST(beside_firewallds_rules_both_stay_as_they_are),
        };

        return cmocka_run_group_tests(tests, open_lab, lab_close);
}
