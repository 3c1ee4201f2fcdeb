/* SPDX-License-Identifier: Apache-2.0 */

/* Retention at a directory that several nodes share, after snapshots of a real etcd. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"

static void configure(const char *retention, const char *key)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER
                             "\", \"etcd\": { \"endpoint\": \"%s\" }, \"include\": [],\n"
                             "  \"encryption\": { %s },\n"
                             "  \"targets\": [ { \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\",\n"
                             "                 \"retention\": %s } ] }\n",
                             member.endpoint, key, retention) > 0);
        root_write(root, CONFIG, text, 0600);
}

static void take(unsigned n)
{
        while (n-- > 0)
                assert_int_equal(take_snapshot(), 0);
}

static int prune(const char *option)
{
        return run_plugin("prune", option);
}

/* Of what `prune --dry-run --json` says, whether a jq filter holds. */
static bool dry_run_says(const char *filter)
{
        return shell(ETCD_BACKUP
                     " --root %s prune --dry-run --json >said; test -s said; jq -e '%s' <said >/dev/null",
                     root, filter);
}

/* The newest copy once more, as a node that has left had taken it: an earlier revision, another name and id.
 */
static void fake_copy_of(const char *node, const char *member_id, int64_t revision, unsigned sequence)
{
        assert_true(shell("cd " SNAPSHOTS "; m=$(ls -t *.manifest.json | head -1); f=${m%%.manifest.json}; "
                          "n=etcd-" CLUSTER "-%s-20261101T0000%02uZ-r%ld.tar.zst; ln $f $n; "
                          "jq '.node = \"%s\" | .memberId = \"%s\" | .revision = %ld | .sequence = %u | "
                          ".finishedBootId = \"other\" | .stored.file = \"'$n'\"' $m >$n.manifest.json",
                          node, sequence, (long)revision, node, member_id, (long)revision, sequence));
}

static void a_dry_run_explains_every_copy_and_removes_none(void **state)
{
        configure("{}", "");
        take(3);
        configure("{ \"keepLast\": 1 }", "");
        assert_true(dry_run_says("length == 3 and all(.why | length > 0) and ([.[].verdict] == [\"Keep\", "
                                 "\"Delete\", \"Delete\"])"));
        assert_int_equal(prune("--dry-run"), 0);
        assert_only_whole_copies(3);
        assert_int_equal(prune(NULL), 0);
        assert_only_whole_copies(1);
        assert_int_equal(prune("--nonsense"), 64);
}

static void nothing_is_pruned_before_a_snapshot_told_whose_cluster_it_is(void **state)
{
        configure("{ \"keepLast\": 1 }", "");
        assert_int_equal(prune(NULL), 1);
}

static void copies_of_nodes_that_have_left_go_and_those_of_members_stay(void **state)
{
        char id[32] = "";
        _cleanup_free_ char *last_run = NULL;
        const char *at;

        configure("{ \"keepLast\": 2 }", "");
        take(3);
        last_run = root_read(root, STATE "/last-run.json");
        at = strstr(last_run, "\"id\":\"");
        assert_non_null(at);
        (void)snprintf(id, sizeof(id), "%.16s", at + strlen("\"id\":\""));

        fake_copy_of("gone-1", "00000000000000aa", 3, 1);
        fake_copy_of("gone-2", "00000000000000bb", 4, 1);
        fake_copy_of("renamed", id, 2, 1); /* by its id a member, whatever it was called */
        fake_copy_of("joined-since", "00000000000000cc", 1000000, 1);
        assert_true(dry_run_says("[.[] | select(.node | startswith(\"gone\")).verdict] == [\"Delete\", "
                                 "\"Delete\"]"));
        assert_true(
                dry_run_says("[.[] | select(.node == \"renamed\" or .node == \"joined-since\").verdict] == "
                             "[\"Foreign\", \"Foreign\"]"));
        take(1);
        assert_true(shell("cd " SNAPSHOTS
                          "; test -z \"$(ls | grep gone)\"; test $(ls | grep -c renamed) = 2; "
                          "test $(ls | grep -c joined-since) = 2"));
}

static void another_clusters_copies_under_the_same_name_are_never_touched(void **state)
{
        configure("{ \"keepLast\": 1 }", "");
        take(2);
        assert_true(shell("cd " SNAPSHOTS
                          "; sed -i 's/\"clusterId\":.*/\"clusterId\": \"00000000000000ff\",/' "
                          "*.manifest.json"));
        take(2);
        assert_true(shell("cd " SNAPSHOTS "; test $(ls *.manifest.json | wc -l) = 2"));
        assert_true(dry_run_says("any(.verdict == \"Foreign\" and (.why | contains(\"00000000000000ff\")))"));
}

static void with_a_key_only_what_it_vouches_for_is_pruned(void **state)
{
        const char *key = "\"authenticationKeyFile\": \"/etc/capi-node-agent/key\"";

        root_write(root, "etc/capi-node-agent/key", "0123456789abcdef0123456789abcdef\n", 0600);
        configure("{ \"keepLast\": 1 }", "");
        take(1);
        configure("{ \"keepLast\": 1 }", key);
        take(3);
        assert_true(
                dry_run_says("[.[].verdict] == [\"Keep\", \"Foreign\"] and (.[1].why | contains(\"HMAC\"))"));
}

static void a_clock_that_was_set_keeps_everything(void **state)
{
        configure("{}", "");
        take(3);
        configure("{ \"keepLast\": 1 }", "");
        /* As if the clock had been a day behind when the first was taken. */
        assert_true(
                shell("cd " SNAPSHOTS "; m=$(ls -tr *.manifest.json | head -1); "
                      "jq '.finishedAt = ((.finishedAt | sub(\"\\\\.[0-9]+Z\"; \"Z\") | fromdate - 86400) | "
                      "todate)' $m >new; cat new >$m; rm new"));
        assert_true(dry_run_says("all(.verdict == \"Keep\") and all(.why | contains(\"it was set by 1d\"))"));
        take(1);
        assert_only_whole_copies(4);
}

static void a_run_tells_its_stages_its_members_and_why_runs_failed(void **state)
{
        configure("{}", "");
        configure_port(1);
        assert_int_equal(take_snapshot(), 1);
        assert_int_equal(take_snapshot(), 1);
        configure("{}", "");
        take(1);
        assert_true(shell(
                "jq -e '.failuresByReason.EtcdUnreachable == 2 and .stagesUsec.stream > 0 and "
                ".stagesUsec.walk > 0 and .stagesUsec.verify > 0 and (.members.list | length == 1)' " STATE
                "/last-run.json >/dev/null"));
}

#define NODE_TEST(f) cmocka_unit_test_setup(f, backup_node_reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(a_dry_run_explains_every_copy_and_removes_none),
                NODE_TEST(nothing_is_pruned_before_a_snapshot_told_whose_cluster_it_is),
                NODE_TEST(copies_of_nodes_that_have_left_go_and_those_of_members_stay),
                NODE_TEST(another_clusters_copies_under_the_same_name_are_never_touched),
                NODE_TEST(with_a_key_only_what_it_vouches_for_is_pruned),
                NODE_TEST(a_clock_that_was_set_keeps_everything),
                NODE_TEST(a_run_tells_its_stages_its_members_and_why_runs_failed),
        };

        return cmocka_run_group_tests(tests, backup_node_set_up, backup_node_tear_down);
}
