/* SPDX-License-Identifier: Apache-2.0 */

/* Whole runs with targets at a real S3 server: what arrives, what waits, and what is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "etcd-copy.h"
#include "files.h"
#include "offsite.h"
#include "program.h"
#include "s3-upload.h"
#include "store.h"
#include "terminal.h"

#define SPOOL STATE "/spool"

static size_t count_spooled(void)
{
        _cleanup_free_ char *directory = under(SPOOL);
        _cleanup_copies_ copies = {};

        assert_int_equal(copies_load(directory, CLUSTER, NULL, &copies), 0);
        return copies.count;
}

static struct terminal terminal;

static int on_terminal(const char *program, const char *command, const char *option, const char *value)
{
        terminal_start(&terminal, program, (const char *[]){ "--root", root, command, option, value, NULL });
        return terminal_end(&terminal);
}

static void a_copy_stays_here_and_goes_there(void **state)
{
        configure_local_and_offsite();
        assert_int_equal(run_plugin("validate", NULL), 0);
        assert_int_equal(on_terminal(ETCD_SNAPSHOT, NULL, NULL, NULL), 0);
        assert_non_null(strstr(terminal.text, "Uploading ["));
        assert_only_whole_copies(1);
        assert_arrived(1);
        assert_last_run("VerifiedCopyTaken");
        assert_trouble("offsite", NULL);
        assert_false(root_has(root, SPOOL));
}

/* The first line of what a shell command prints, for which $ETCD_BACKUP is the program. */
static char *first_line(const char *command)
{
        _cleanup_free_ char *whole = NULL;
        char *line = NULL;
        size_t size = 0;
        FILE *out;

        assert_true(asprintf(&whole, ETCD_BACKUP " --root %s %s", root, command) > 0);
        out = popen(whole, "re");
        assert_non_null(out);
        assert_true(getline(&line, &size, out) > 0);
        (void)pclose(out);
        line[strcspn(line, "\n")] = '\0';
        return line;
}

static void all_copies_of_the_cluster_are_shown_by_target_node_and_age(void **state)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS), *other = NULL, *line = NULL, *table = NULL;
        char node[NODE_NAME_SIZE], expected[256];

        configure_local_and_offsite();
        assert_int_equal(take_snapshot(), 0);
        other = place_copy(directory, CLUSTER, "0-other", 1);
        line = first_line("list --all --json | jq -c '[.[] | [.target, .node, .whole]]'");
        (void)node_name(node);
        (void)snprintf(expected, sizeof(expected),
                       "[[\"local\",\"0-other\",true],[\"local\",\"%s\",true],[\"offsite\",\"%s\",true]]",
                       node, node);
        assert_string_equal(line, expected);
        table = first_line("list --all | awk '/^offsite/ { print $1, $2, $4 ~ /s$/, $(NF - 1) }'");
        (void)snprintf(expected, sizeof(expected), "offsite %s 1 verified", node);
        assert_string_equal(table, expected);
}

static void a_copy_over_there_is_fetched_and_proven(void **state)
{
        _cleanup_free_ char *newest = NULL, *named = NULL, *missing = NULL;
        char expected[256];
        struct copies copies;

        configure_offsite_alone();
        assert_int_equal(take_snapshot(), 0);
        newest = first_line("verify --target offsite --json | jq -r '.[0] | .name + \" \" + .result'");
        assert_non_null(strstr(newest, ".tar.zst Verified"));
        *strchr(newest, ' ') = '\0';
        (void)snprintf(expected, sizeof(expected), "verify --target offsite %s", newest);
        named = first_line(expected);
        assert_non_null(strstr(named, "verified: revision 26"));
        assert_int_equal(on_terminal(ETCD_BACKUP, "verify", "--target", "offsite"), 0);
        assert_non_null(strstr(terminal.text, "Fetching ["));
        assert_non_null(strstr(terminal.text, "Verifying ["));
        missing = first_line("verify --target offsite nothing 2>&1");
        assert_non_null(strstr(missing, "no copy named nothing"));
        copies = load_copies();
        assert_int_equal(copies.count, 0);
        copies_clear(&copies);
}

static void a_target_that_never_had_a_copy_is_told_by_the_condition(void **state)
{
        struct fault away = { .answer = REFUSAL };
        pid_t resident;

        configure_local_and_offsite();
        resident = start_daemon();
        wait_for_condition(CONDITION_UNKNOWN, "NoBackupYet");
        offsite_proxy.fault = &away;
        assert_int_equal(take_snapshot(), 1);
        assert_only_whole_copies(1);
        wait_for_condition(CONDITION_FALSE, "TargetFailed");
        wait_for_message("target offsite: cannot list the copies: the server answered 403");
        offsite_proxy.fault = NULL;
        assert_int_equal(take_snapshot(), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        (void)program_stop(resident, SIGTERM);
}

static void what_a_target_missed_is_made_up_for_newest_first(void **state)
{
        struct fault away = { .answer = REFUSAL };
        pid_t resident;

        configure_local_and_offsite();
        assert_int_equal(take_snapshot(), 0);
        resident = start_daemon();
        offsite_proxy.fault = &away;
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(take_snapshot(), 1);
                assert_last_run("AccessDenied");
                assert_trouble("offsite", "AccessDenied");
                wait_for_message("is fresh enough, but the last run failed: target offsite");
        }
        assert_arrived(1);
        assert_only_whole_copies(3);
        offsite_proxy.fault = NULL;
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(4);
        assert_arrived(4);
        assert_trouble("offsite", NULL);
        wait_for_message("is verified");
        (void)program_stop(resident, SIGTERM);
}

static void without_a_directory_one_copy_waits_in_the_spool(void **state)
{
        struct fault away = { .answer = REFUSAL };

        configure_offsite_alone();
        offsite_proxy.fault = &away;
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(take_snapshot(), 1);
                assert_int_equal(count_spooled(), 1);
        }
        offsite_proxy.fault = NULL;
        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(count_spooled(), 0);
        assert_arrived(2);
}

static void a_directory_that_fails_does_not_keep_the_others_from_their_copy(void **state)
{
        _cleanup_free_ char *target = offsite("offsite", SWIFT_BUCKET);

        root_write(root, "file", "in the way", 0600);
        configure("{ \"name\": \"local\", \"path\": \"/file/below\" }, %s", target);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("TargetNotWritable");
        assert_arrived(1);
        assert_int_equal(count_spooled(), 0);
}

static void each_target_fails_for_itself(void **state)
{
        _cleanup_free_ char *bad = offsite("elsewhere", "no-such-bucket"),
                            *good = offsite("offsite", SWIFT_BUCKET);

        configure("%s, " LOCAL ", %s", bad, good);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("NoSuchBucket");
        assert_trouble("elsewhere", "NoSuchBucket");
        assert_trouble("offsite", NULL);
        assert_only_whole_copies(1);
        assert_arrived(1);
}

static bool upload_is_held(void *userdata)
{
        const struct fault *fault = userdata;

        return atomic_load(&fault->seen) > 0;
}

/* Every stream that etcd began it has ended: what S3 makes wait is a file of ours. */
static void assert_etcd_sends_nothing(void)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command,
                             "cd %s/etc/kubernetes/pki/etcd && "
                             "curl --silent --fail --cacert ca.crt --cert healthcheck-client.crt --key "
                             "healthcheck-client.key %s/metrics | "
                             "awk '/^grpc_server_started_total.*\"Snapshot\"/ { begun += $2 } "
                             "/^grpc_server_handled_total.*\"Snapshot\"/ { ended += $2 } "
                             "END { exit !(begun > 0 && begun == ended) }'",
                             root, member.endpoint) > 0);
        assert_int_equal(program_wait(program_start("/bin/sh", (const char *[]){ "-c", command, NULL })), 0);
}

static void interrupt_upload(int signal, int status)
{
        struct fault slow = { .method = "PUT", .match = "partNumber=2", .body_bytes = 100000, .stall = true };
        pid_t pid;

        offsite_proxy.fault = &slow;
        pid = start_snapshot(NULL);
        wait_until(upload_is_held, &slow, "the second part");
        assert_etcd_sends_nothing();
        assert_int_equal(program_stop(pid, signal), status);
        offsite_proxy.fault = NULL;
        assert_only_whole_copies(1); /* the local one was verified before */
}

static void a_signal_in_the_middle_of_an_upload_leaves_nothing_there(void **state)
{
        configure_local_and_offsite();
        interrupt_upload(SIGTERM, 1);
        assert_last_run("Canceled");
        assert_arrived(0);
}

static void a_kill_in_the_middle_of_an_upload_is_swept_by_the_next_run(void **state)
{
        configure_local_and_offsite();
        interrupt_upload(SIGKILL, -SIGKILL);
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(2);
        assert_arrived(2);
}

static void copies_leave_the_node_in_plain_only_when_that_is_allowed(void **state)
{
        _cleanup_free_ char *target = offsite_allowing("offsite", SWIFT_BUCKET, "false");

        configure("%s", target);
        assert_int_equal(run_plugin("validate", NULL), 78);
        assert_int_equal(take_snapshot(), 78);
}

/* The older copies are what a target "missed" when it is new. */
static void copies_from_before_they_were_encrypted_stay_on_the_node(void **state)
{
        _cleanup_free_ char *target = offsite_allowing("offsite", SWIFT_BUCKET, "false"), *names = NULL;

        configure(LOCAL);
        assert_int_equal(take_snapshot(), 0);
        configure_sealed(LOCAL);
        assert_int_equal(take_snapshot(), 0);
        configure_sealed(LOCAL ", %s", target);
        assert_int_equal(take_snapshot(), 0);
        names = first_line("list --all --json | jq -c '[.[] | select(.target == \"offsite\") | "
                           ".stored.file | endswith(\".age\")]'");
        assert_string_equal(names, "[true,true]");
        assert_arrived(2);
}

/* As time services do, where the names are seconds. */
static void a_clock_that_is_set_back_by_seconds_meets_no_name_of_an_earlier_copy(void **state)
{
        static const char *const shifts[] = { "-2", "-3", "-4", "-5" };

        configure_offsite_alone();
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(take_snapshot(), 0);
        for (size_t i = 0; i < ELEMENTS(shifts); i++)
                assert_int_equal(take_snapshot_at(shifts[i]), 0);
        assert_arrived(4 + ELEMENTS(shifts));
}

/* ---- retention there ---- */

/* The newest copy once more, as a node of an earlier rollout had taken it. */
static void put_copy_of_rollout(unsigned number)
{
        _cleanup_(store_closep) struct store *store = open_store();
        struct manifest *manifest;
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(store_list(store, CLUSTER, NULL, &copies, NULL), 0);
        assert_int_equal(store_fetch(store, &copies.items[copies.count - 1], root, &fd, NULL), 0);
        manifest = copies.items[copies.count - 1].manifest;
        free(manifest->node);
        free(manifest->stored_file);
        assert_true(asprintf(&manifest->node, "gone-%u", number) > 0);
        manifest->member_id = 0xaa + number;
        manifest->revision = number;
        manifest->stored_file =
                copy_name(CLUSTER, manifest->node, manifest->started_usec, manifest->revision, false);
        if (store_put(store, fd, manifest, &failure) < 0)
                fail_msg("%s", failure.message);
}

static void five_rollouts_leave_a_bounded_bucket_that_is_listed_over_several_pages(void **state)
{
        _cleanup_free_ char *all = offsite_keeping("{}"), *two = offsite_keeping("{ \"keepLast\": 2 }"),
                            *verdicts = NULL, *removed = NULL;

        configure("%s", all);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(take_snapshot(), 0);
        for (unsigned i = 1; i <= 5; i++)
                put_copy_of_rollout(i);
        assert_arrived(8);

        configure("%s", two);
        verdicts = first_line("prune --dry-run --json --target offsite | "
                              "jq -c '[.[] | [(.node | startswith(\"gone\")), .verdict]] | sort'");
        assert_string_equal(verdicts, "[[false,\"Delete\"],[false,\"Keep\"],[false,\"Keep\"],"
                                      "[true,\"Delete\"],[true,\"Delete\"],[true,\"Delete\"],"
                                      "[true,\"Delete\"],[true,\"Delete\"]]");
        assert_arrived(8);
        removed = first_line("prune --target offsite | tail -n 1");
        assert_string_equal(removed, "removed 6 copies");
        assert_arrived(2);
        assert_int_equal(take_snapshot(), 0);
        assert_arrived(2);
}

#define LOCKED                                                \
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n" \
        "<Error><Code>AccessDenied</Code><Message>Object is protected by object lock.</Message></Error>"

static void what_cannot_be_removed_is_told_and_the_copy_is_there(void **state)
{
        _cleanup_free_ char *one = offsite_keeping("{ \"keepLast\": 1 }");
        struct fault forbidden = { .method = "DELETE", .answer = REFUSAL };

        configure("%s", one);
        assert_int_equal(take_snapshot(), 0);
        offsite_proxy.fault = &forbidden;
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("PruneFailed");
        offsite_proxy.fault = NULL;
        assert_arrived(2);
}

/* As after a kill between the archive and its manifest, with keys that may only add. */
static void an_orphan_that_cannot_be_removed_keeps_no_copy_away(void **state)
{
        const struct s3_access access = access_to_swift();
        static const struct {
                const char *answer;
                int status;
        } runs[] = { { LOCKED, 0 }, { REFUSAL, 1 } };
        _cleanup_(s3_closep) struct s3 *s3 = NULL;
        char key[256], node[NODE_NAME_SIZE];
        _cleanup_copies_ copies = {};
        _cleanup_(store_closep) struct store *store = open_store();

        (void)snprintf(key, sizeof(key), "%setcd-" CLUSTER "-%s-20261101T000000Z-r7.tar.zst", offsite_prefix,
                       node_name(node));
        assert_int_equal(s3_open(&access, root, NULL, &s3, NULL), 0);
        assert_int_equal(s3_put_text(s3, key, "half", NULL), 0);
        configure_offsite_alone();
        for (size_t i = 0; i < ELEMENTS(runs); i++) {
                struct fault fault = { .method = "DELETE", .answer = runs[i].answer };

                offsite_proxy.fault = &fault;
                assert_int_equal(take_snapshot(), runs[i].status);
                offsite_proxy.fault = NULL;
                copies_clear(&copies);
                assert_int_equal(store_list(store, CLUSTER, NULL, &copies, NULL), 0);
                assert_int_equal(copies.count, i + 1);
        }
        assert_last_run("AccessDenied");
        assert_int_equal(take_snapshot(), 0);
        assert_arrived(3);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, offsite_begin)
        static const struct CMUnitTest tests[] = {
                TEST(a_copy_stays_here_and_goes_there),
                TEST(all_copies_of_the_cluster_are_shown_by_target_node_and_age),
                TEST(a_copy_over_there_is_fetched_and_proven),
                TEST(a_target_that_never_had_a_copy_is_told_by_the_condition),
                TEST(what_a_target_missed_is_made_up_for_newest_first),
                TEST(without_a_directory_one_copy_waits_in_the_spool),
                TEST(a_directory_that_fails_does_not_keep_the_others_from_their_copy),
                TEST(each_target_fails_for_itself),
                TEST(a_signal_in_the_middle_of_an_upload_leaves_nothing_there),
                TEST(a_kill_in_the_middle_of_an_upload_is_swept_by_the_next_run),
                TEST(copies_leave_the_node_in_plain_only_when_that_is_allowed),
                TEST(copies_from_before_they_were_encrypted_stay_on_the_node),
                TEST(a_clock_that_is_set_back_by_seconds_meets_no_name_of_an_earlier_copy),
                TEST(five_rollouts_leave_a_bounded_bucket_that_is_listed_over_several_pages),
                TEST(what_cannot_be_removed_is_told_and_the_copy_is_there),
                TEST(an_orphan_that_cannot_be_removed_keeps_no_copy_away),
        };

        return cmocka_run_group_tests(tests, offsite_set_up, offsite_tear_down);
}
