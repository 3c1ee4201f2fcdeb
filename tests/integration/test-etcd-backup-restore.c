/* SPDX-License-Identifier: Apache-2.0 */

/* Restores of a real etcd, and what they must survive. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup-node.h"
#include "files.h"
#include "kubeadm-etcd.h"
#include "program.h"
#include "swift.h"
#include "terminal.h"

#define MANIFEST "etc/kubernetes/manifests/etcd.yaml"
#define JOURNAL  STATE "/restore/journal.json"

static struct kubeadm_etcd node;

static void put(const char *key, const char *value)
{
        etcd_put(&member, key, value, strlen(value));
}

static bool has(const char *key, const char *value)
{
        _cleanup_free_ char *answer =
                etcd_ctl(&member, (const char *[]){ "get", key, "--print-value-only", NULL });

        return value ? strncmp(answer, value, strlen(value)) == 0 : answer[0] == '\0';
}

static pid_t start_restore(const char *source, const char *option)
{
        return program_start(ETCD_RESTORE, (const char *[]){ "--root", root, source ?: option,
                                                             source ? option : NULL, NULL });
}

static int restore(const char *source, const char *option)
{
        return program_wait(start_restore(source, option));
}

static int restore_until(const char *point, const char *source, const char *option)
{
        int status;

        setenv("CAPI_NODE_FAULT_POINT", point, 1);
        status = restore(source, option);
        unsetenv("CAPI_NODE_FAULT_POINT");
        return status;
}

/* A copy of the key "before", and then the key "after". */
static int set_up(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        kubeadm_etcd_start(&node, NULL, "3.4.13-0");
        put("before", "kept");
        put("/registry/masterleases/10.0.0.9", "stale");
        assert_int_equal(take_snapshot(), 0);
        put("after", "lost");
        return 0;
}

static int tear_down(void **state)
{
        kubeadm_etcd_stop(&node);
        return 0;
}

/* Each test begins with the copy's key and a later one. */
static int reset(void **state)
{
        put("after", "lost");
        return 0;
}

static void assert_restored(void)
{
        kubeadm_etcd_wait();
        assert_true(has("before", "kept"));
        assert_true(has("after", NULL));
        assert_true(has("/registry/masterleases/10.0.0.9", NULL));
        assert_false(root_has(root, JOURNAL));
        assert_false(root_has(root, STATE "/restore/snapshot.db"));
        assert_true(root_has(root, MANIFEST));
}

static void assert_as_before(void)
{
        kubeadm_etcd_wait();
        assert_true(has("before", "kept"));
        assert_true(has("after", "lost"));
        assert_false(root_has(root, JOURNAL));
        assert_true(root_has(root, MANIFEST));
}

static struct terminal terminal;

static void restore_on_terminal(const char *option)
{
        terminal_start(&terminal, ETCD_RESTORE, (const char *[]){ "--root", root, "newest", option, NULL });
}

static void what_was_written_after_the_copy_is_gone_and_the_old_data_is_kept(void **state)
{
        _cleanup_free_ char *command = NULL;

        restore_on_terminal(NULL);
        terminal_expect(&terminal, "Type yes: ");
        terminal_type(&terminal, "yes\n");
        assert_int_equal(terminal_end(&terminal), 0);
        assert_non_null(strstr(terminal.text, "What is still to be done"));
        assert_restored();
        assert_true(asprintf(&command, "test -d %s/var/lib/etcd/member.before-restore-*/snap", root) > 0);
        assert_int_equal(system(command), 0);
}

static void nothing_is_done_without_consent_or_in_a_dry_run(void **state)
{
        assert_int_equal(restore("newest", NULL), 1);
        assert_int_equal(restore("newest", "--dry-run"), 0);
        assert_int_equal(restore("nothing-of-this-name", "--yes"), 1);
        assert_int_equal(restore(NULL, "--yes"), 1);
        assert_int_equal(restore(NULL, "--abort"), 1);
        assert_as_before();
}

static void before_anything_else_cluster_api_is_spoken_of_and_consent_asked(void **state)
{
        static const char *const answers[] = { "no\n", "y\n", "yes please\n", "\n", "\004" };
        const char *asked, *paused;

        for (size_t i = 0; i < ELEMENTS(answers); i++) {
                restore_on_terminal(NULL);
                terminal_expect(&terminal, "Type yes: ");
                terminal_type(&terminal, answers[i]);
                assert_int_equal(terminal_end(&terminal), 1);
                assert_non_null(strstr(terminal.text, "nothing was done"));
        }
        asked = strstr(terminal.text, "Type yes: ");
        paused = strstr(terminal.text, "cluster.x-k8s.io/paused");
        assert_true(paused && paused < asked);
        paused = strstr(terminal.text, "cluster.x-k8s.io/skip-remediation");
        assert_true(paused && paused < asked);
        assert_null(strstr(terminal.text, "Holds")); /* no copy was even looked at */
        assert_as_before();
}

/* A bar with bytes, rate and what is left, that is taken away again. */
static void assert_progress(const char *what)
{
        _cleanup_free_ char *bar = NULL;
        const char *line;

        assert_true(asprintf(&bar, "\r\033[K%s [", what) > 0);
        line = strstr(terminal.text, bar);
        if (!line)
                fail_msg("no progress of %s in: %s", what, terminal.text);
        assert_non_null(strstr(line, "100 %, "));
        assert_non_null(strstr(line, "iB of "));
        assert_non_null(strstr(line, "iB/s, "));
        assert_non_null(strstr(line, " left"));
        assert_non_null(strstr(line + strlen(bar), "\r\033[K"));
}

static void a_person_sees_how_far_snapshot_verification_and_restore_are(void **state)
{
        terminal_start(&terminal, ETCD_SNAPSHOT, (const char *[]){ "--root", root, NULL });
        assert_int_equal(terminal_end(&terminal), 0);
        assert_progress("Receiving");
        terminal_start(&terminal, ETCD_BACKUP, (const char *[]){ "--root", root, "verify", NULL });
        assert_int_equal(terminal_end(&terminal), 0);
        assert_progress("Verifying");
        restore_on_terminal("--dry-run");
        assert_int_equal(terminal_end(&terminal), 0);
        assert_progress("Verifying");
        assert_non_null(strstr(terminal.text, "Holds"));
        /* Later tests want the copy without the key "after" again. */
        assert_true(shell("cd " SNAPSHOTS "; rm $(ls -t | head -n 2)"));
}

static const char *const steps[] = { "stop-apiserver", "stop-etcd",       "measure",
                                     "keep-data",      "restore-data",    "start-etcd",
                                     "remove-leases",  "start-apiserver", "clean-up" };

static void a_restore_killed_at_any_step_goes_on(void **state)
{
        char point[64];

        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                if (i > 0)
                        put("after", "lost");
                (void)snprintf(point, sizeof(point), "after-%s", steps[i]);
                assert_int_equal(restore_until(point, "newest", "--yes"), -SIGKILL);
                assert_true(root_has(root, JOURNAL));
                assert_int_equal(restore(NULL, "--yes"), 0);
                assert_restored();
        }
        put("after", "lost");
        assert_int_equal(restore_until("restored-not-renamed", "newest", "--yes"), -SIGKILL);
        assert_int_equal(restore("newest", "--yes"), 0);
        assert_restored();
}

static void a_restore_killed_at_any_step_can_be_taken_back(void **state)
{
        char point[64];

        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                (void)snprintf(point, sizeof(point), "%s-%s", i % 2 ? "before" : "after", steps[i]);
                assert_int_equal(restore_until(point, "newest", "--yes"), -SIGKILL);
                assert_int_equal(restore(NULL, "--abort"), 0);
                assert_as_before();
        }
        assert_int_equal(restore_until("restored-not-renamed", "newest", "--yes"), -SIGKILL);
        assert_int_equal(restore(NULL, "--abort"), 0);
        assert_as_before();
}

static void an_abort_that_is_killed_can_be_finished(void **state)
{
        static const char *const points[] = { "undo-start-etcd", "undo-restore-data", "undo-keep-data",
                                              "undo-stop-etcd", "undo-stop-apiserver" };

        assert_int_equal(restore_until("after-start-etcd", "newest", "--yes"), -SIGKILL);
        for (size_t i = 0; i < ELEMENTS(points); i++)
                assert_int_equal(restore_until(points[i], NULL, "--abort"), -SIGKILL);
        assert_int_equal(restore("newest", "--yes"), 1); /* not before it is taken back */
        assert_int_equal(restore(NULL, "--abort"), 0);
        assert_as_before();
}

static void an_unfinished_restore_lets_nothing_else_at_the_member(void **state)
{
        assert_int_equal(restore_until("before-stop-etcd", "newest", "--yes"), -SIGKILL);
        assert_int_equal(restore("another", "--yes"), 1);
        assert_int_equal(take_snapshot(), 1);
        assert_int_equal(restore("drill", NULL), 1);
        assert_int_equal(restore(NULL, "--abort"), 0);
        assert_as_before();
}

static void a_copy_of_another_minor_version_is_refused(void **state)
{
        kubeadm_etcd_write_manifest("3.6.1-0");
        assert_int_equal(restore("newest", "--yes"), 1);
        kubeadm_etcd_write_manifest("3.4.13-0");
        assert_as_before();
}

static void kubeadm_at_work_is_respected(void **state)
{
        _cleanup_free_ char *directory = under("etc/kubernetes/tmp/kubeadm-upgraded-manifests123");

        assert_int_equal(directory_make(directory, 0700), 0);
        assert_int_equal(restore("newest", "--yes"), 1);
        assert_int_equal(rmdir(directory), 0);
        assert_as_before();
}

static char *new_identity(const char **ret_recipient)
{
        static char recipient[80];
        _cleanup_free_ char *command = NULL, *key = under("key.txt");
        FILE *pipe;

        unlink(key);
        assert_true(asprintf(&command, "age-keygen -o %s 2>/dev/null; age-keygen -y %s", key, key) > 0);
        pipe = popen(command, "re");
        assert_non_null(fgets(recipient, sizeof(recipient), pipe));
        assert_int_equal(pclose(pipe), 0);
        recipient[strcspn(recipient, "\n")] = '\0';
        *ret_recipient = recipient;
        return TAKE_PTR(key);
}

static void configure(const char *more)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\" }, %s\n"
                             "\"targets\": [ { \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\" } ] }\n",
                             member.endpoint, more) > 0);
        root_write(root, CONFIG, text, 0600);
}

/* On the terminal, and it is not shown there. */
static void assert_identity_is_asked_for(const char *file)
{
        _cleanup_free_ char *text = NULL;
        char *identity, *end;
        size_t size;

        assert_int_equal(file_read(file, 4096, &text, &size), 0);
        identity = strstr(text, "AGE-SECRET-KEY-1");
        end = strchr(identity, '\n');
        end[1] = '\0';
        restore_on_terminal("--dry-run");
        terminal_expect(&terminal, "not shown): ");
        assert_false(terminal_echoes(&terminal));
        terminal_type(&terminal, identity);
        *end = '\0';
        terminal_expect(&terminal, "Holds");
        assert_int_equal(terminal_end(&terminal), 0);
        assert_null(strstr(terminal.text, identity));
        assert_null(strstr(terminal.text, identity + strlen("AGE-SECRET-KEY-1")));
}

/* Of the newest encrypted copy, in its middle; twice, and it is as it was. */
static void flip_a_byte_of_the_copy(void)
{
        _cleanup_free_ char *pattern = path_under(root, "/" STATE "/snapshots/*.age");
        _cleanup_close_ int fd = -EBADF;
        glob_t found = {};
        uint8_t byte;
        off_t middle;

        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        fd = open(found.gl_pathv[found.gl_pathc - 1], O_RDWR | O_CLOEXEC);
        globfree(&found);
        middle = lseek(fd, 0, SEEK_END) / 2;
        assert_int_equal(pread(fd, &byte, 1, middle), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
}

static void assert_the_drill_says(int status, const char *text)
{
        _cleanup_free_ char *result = NULL;

        assert_int_equal(restore("drill", NULL), status);
        result = root_read(root, STATE "/drill.json");
        if (!strstr(result, text))
                fail_msg("\"%s\" is not in: %s", text, result);
}

static void an_encrypted_copy_needs_the_identity_and_the_drill_reads_it_and_restores_a_fresh_snapshot(
        void **state)
{
        _cleanup_free_ char *key = NULL, *more = NULL, *other = NULL;
        const char *recipient;

        key = new_identity(&recipient);
        assert_true(
                asprintf(
                        &more,
                        "\"drill\": { \"minFree\": \"1M\" }, \"encryption\": { \"recipients\": [ \"%s\" ] },",
                        recipient) > 0);
        configure(more);
        assert_true(asprintf(&other, "%s.2", key) > 0);
        assert_int_equal(rename(key, other), 0);
        free(key);
        key = new_identity(&recipient);

        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(program_wait(program_start(ETCD_RESTORE,
                                                    (const char *[]){ "--root", root, "newest", "--yes",
                                                                      "--identity", key, NULL })),
                         1);
        put("after", "encrypted");
        assert_identity_is_asked_for(other);
        assert_the_drill_says(0, "is encrypted and was not opened: every byte is as it was sealed");
        flip_a_byte_of_the_copy();
        assert_the_drill_says(1, "CopyChanged");
        flip_a_byte_of_the_copy();
        assert_int_equal(program_wait(program_start(ETCD_RESTORE,
                                                    (const char *[]){ "--root", root, "newest", "--yes",
                                                                      "--identity", other, NULL })),
                         0);
        kubeadm_etcd_wait();
        assert_true(has("after", "lost"));
        configure_endpoint(member.endpoint);
}

static void a_drill_without_the_key_that_authenticates_fails_instead_of_taking_another_way(void **state)
{
        _cleanup_free_ char *key = under("/etc/hmac-key");

        root_write(root, "etc/hmac-key", "0123456789abcdef0123456789abcdef", 0600);
        configure("\"drill\": { \"minFree\": \"1M\" }, "
                  "\"encryption\": { \"authenticationKeyFile\": \"/etc/hmac-key\" },");
        assert_int_equal(take_snapshot(), 0);
        assert_the_drill_says(0, "RestoredCopyMatches");
        assert_int_equal(unlink(key), 0);
        assert_the_drill_says(1, "hmac-key");
}

static void a_drill_proves_the_newest_copy_and_leaves_nothing(void **state)
{
        _cleanup_free_ char *result = NULL;

        configure("\"drill\": { \"minFree\": \"1M\" },");
        assert_int_equal(take_snapshot(), 0);
        put("later", "is not in the copy");
        assert_int_equal(restore("drill", NULL), 0);
        result = root_read(root, STATE "/drill.json");
        assert_non_null(strstr(result, "\"Proven\""));
        assert_non_null(strstr(result, ".tar.zst"));
        assert_false(root_has(root, STATE "/drill"));
        configure_endpoint(member.endpoint);
}

static void a_drill_whose_hash_differs_fails_and_says_so(void **state)
{
        _cleanup_free_ char *record = NULL, *result = NULL;
        char *hash;

        configure("\"drill\": { \"minFree\": \"1M\" },");
        assert_int_equal(take_snapshot(), 0);
        record = root_read(root, STATE "/source-hash.json");
        hash = strstr(record, "\"hashKv\":");
        hash += strcspn(hash, "0123456789");
        hash[strspn(hash, "0123456789") - 1] ^= 1;
        root_write(root, STATE "/source-hash.json", record, 0600);
        assert_int_equal(restore("drill", NULL), 1);
        result = root_read(root, STATE "/drill.json");
        assert_non_null(strstr(result, "RestoredDataDiffers"));
        configure_endpoint(member.endpoint);
}

static bool etcd_of_the_drill_is_gone(void *userdata)
{
        (void)userdata;
        return shell("for p in /proc/[0-9]*; do test \"$(readlink $p/cwd)\" != \"$PWD/" STATE
                     "/drill\" || exit 1; done 2>/dev/null");
}

static void a_drill_that_is_killed_leaves_no_etcd_and_the_next_one_cleans_up(void **state)
{
        _cleanup_free_ char *result = NULL;

        configure("\"drill\": { \"minFree\": \"1M\" },");
        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(restore_until("drill-etcd-started", "drill", NULL), -SIGKILL);
        assert_true(root_has(root, STATE "/drill/data"));
        wait_until(etcd_of_the_drill_is_gone, NULL, "the end of the drill's etcd");
        assert_int_equal(restore("drill", NULL), 0);
        result = root_read(root, STATE "/drill.json");
        assert_non_null(strstr(result, "\"Proven\""));
        assert_false(root_has(root, STATE "/drill"));
        configure_endpoint(member.endpoint);
}

static void a_drill_without_room_is_put_off(void **state)
{
        _cleanup_free_ char *result = NULL;

        configure("\"drill\": { \"minFree\": \"900T\" },");
        assert_int_equal(restore("drill", NULL), 0);
        result = root_read(root, STATE "/drill.json");
        assert_non_null(strstr(result, "NoRoomForDrill"));
        configure_endpoint(member.endpoint);
}

static void the_copy_may_come_from_s3_when_nothing_is_left_on_the_node(void **state)
{
        _cleanup_free_ char *text = NULL, *command = NULL;
        struct swift swift;

        swift_start(&swift, root);
        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\" },\n"
                             "\"targets\": [ { \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\" },\n"
                             "{ \"name\": \"offsite\", \"type\": \"s3\", \"endpoint\": \"%s\", \"bucket\": "
                             "\"" SWIFT_BUCKET "\", \"prefix\": \"restore/\", \"caFile\": \"" SWIFT_CA
                             "\", \"credentialsFile\": \"" SWIFT_CREDENTIALS
                             "\", \"allowPlaintext\": true } ] }\n",
                             member.endpoint, swift.endpoint) > 0);
        root_write(root, CONFIG, text, 0600);
        put("after", "of the copy in S3");
        assert_int_equal(take_snapshot(), 0);
        put("after", "lost");
        assert_true(asprintf(&command, "rm -r %s/" SNAPSHOTS, root) > 0);
        assert_int_equal(system(command), 0);

        assert_int_equal(program_wait(program_start(ETCD_RESTORE,
                                                    (const char *[]){ "--root", root, "newest", "--target",
                                                                      "offsite", "--yes", NULL })),
                         0);
        kubeadm_etcd_wait();
        assert_true(has("after", "of the copy in S3"));
        swift_stop(&swift);
        configure_endpoint(member.endpoint);
}

/* ---- of versions that can raise revisions ---- */

static long revision(void)
{
        _cleanup_free_ char *answer =
                etcd_ctl(&member, (const char *[]){ "endpoint", "status", "-w", "json", NULL });
        const char *at = strstr(answer, "\"revision\":");

        assert_non_null(at);
        return strtol(at + strlen("\"revision\":"), NULL, 10);
}

static void a_watch_sees_a_higher_revision_also_on_a_fresh_node(void **state)
{
        _cleanup_free_ char *trixie = root_of_suite("trixie", "etcd-client etcd-server"), *bin = NULL,
                            *path = NULL, *copies = NULL, *before = strdup(getenv("PATH"));
        struct kubeadm_etcd first, fresh;
        struct kubeadm_etcd old = node;
        long seen;

        bin = path_under(trixie, "/usr/bin");
        assert_true(asprintf(&path, "%s:%s", bin, before) > 0);
        setenv("PATH", path, 1);

        kubeadm_etcd_start(&first, bin, "3.5.16-0");
        put("before", "kept");
        assert_int_equal(take_snapshot(), 0);
        for (unsigned i = 0; i < 5; i++)
                put("after", "lost");
        seen = revision();
        assert_int_equal(restore("newest", "--yes"), 0);
        kubeadm_etcd_wait();
        assert_true(has("before", "kept"));
        assert_true(has("after", NULL));
        assert_true(revision() > seen + 1000);

        copies = under(SNAPSHOTS "/");
        kubeadm_etcd_start(&fresh, bin, "3.5.16-0");
        put("after", "of the fresh cluster");
        assert_int_equal(restore(copies, "--yes"), 0);
        kubeadm_etcd_wait();
        assert_true(has("before", "kept"));
        assert_true(has("after", NULL));
        assert_true(revision() > seen + 1000000);

        kubeadm_etcd_stop(&fresh);
        kubeadm_etcd_stop(&first);
        setenv("PATH", before, 1);
        kubeadm_etcd_use(&old);
}

#define RESTORE_TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
                RESTORE_TEST(what_was_written_after_the_copy_is_gone_and_the_old_data_is_kept),
                RESTORE_TEST(before_anything_else_cluster_api_is_spoken_of_and_consent_asked),
                RESTORE_TEST(nothing_is_done_without_consent_or_in_a_dry_run),
                RESTORE_TEST(a_person_sees_how_far_snapshot_verification_and_restore_are),
                RESTORE_TEST(a_restore_killed_at_any_step_goes_on),
                RESTORE_TEST(a_restore_killed_at_any_step_can_be_taken_back),
                RESTORE_TEST(an_abort_that_is_killed_can_be_finished),
                RESTORE_TEST(an_unfinished_restore_lets_nothing_else_at_the_member),
                RESTORE_TEST(a_copy_of_another_minor_version_is_refused),
                RESTORE_TEST(kubeadm_at_work_is_respected),
                RESTORE_TEST(a_drill_proves_the_newest_copy_and_leaves_nothing),
                RESTORE_TEST(a_drill_without_the_key_that_authenticates_fails_instead_of_taking_another_way),
                RESTORE_TEST(a_drill_whose_hash_differs_fails_and_says_so),
                RESTORE_TEST(a_drill_that_is_killed_leaves_no_etcd_and_the_next_one_cleans_up),
                RESTORE_TEST(a_drill_without_room_is_put_off),
                RESTORE_TEST(
                        an_encrypted_copy_needs_the_identity_and_the_drill_reads_it_and_restores_a_fresh_snapshot),
                RESTORE_TEST(the_copy_may_come_from_s3_when_nothing_is_left_on_the_node),
                cmocka_unit_test(a_watch_sees_a_higher_revision_also_on_a_fresh_node),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
