/* SPDX-License-Identifier: Apache-2.0 */

/* A real etcd of each version that is struck while it sends: no copy is lost, the condition tells the truth,
 * and the next run succeeds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"
#include "proxy.h"

/* What the kernel keeps between etcd and us is far less than the rest. */
#define MIDDLE (2u * 1024 * 1024)
#define MIB    16
#define MARK   "mark-of-the-test"

static const char *running; /* the suite whose etcd it is; NULL: none */
static bool is_killed;
static struct proxy proxy;
static pid_t resident;

static void stop_etcd(void)
{
        if (!running)
                return;
        etcd_stop(&member, SIGKILL);
        root_remove(root);
        running = NULL;
}

/* Without TLS, so that a byte of a value can be changed on its way. */
static void start_etcd(const char *suite)
{
        char text[4096] = "";

        root = root_make();
        running = suite;
        etcd_start_of(suite, &member, root, false);
        for (size_t i = 0; i + 1 < sizeof(text) / (sizeof(MARK) - 1); i++)
                strcat(text, MARK);
        for (unsigned i = 0; i < 8; i++) {
                char key[16];

                (void)snprintf(key, sizeof(key), "marked-%u", i);
                etcd_put(&member, key, text, strlen(text));
        }
        etcd_put_many(&member, "filling", MIB, 1024 * 1024);
}

/* There is a copy, and a resident part that says so. */
static int set_up(void **state)
{
        const char *suite = *state;

        if (running && strcmp(running, suite) != 0)
                stop_etcd();
        if (!running)
                start_etcd(suite);
        (void)backup_node_reset(state);
        assert_int_equal(take_snapshot(), 0);
        resident = start_daemon();
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        is_killed = false;
        return 0;
}

static int tear_down(void **state)
{
        (void)program_stop(resident, SIGTERM);
        return 0;
}

static int tear_down_group(void **state)
{
        stop_etcd();
        return 0;
}

static void configure_proxy(void)
{
        char endpoint[64];

        proxy.target_port = member.port;
        proxy_start(&proxy);
        (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", proxy.port);
        configure_endpoint(endpoint);
}

/* A run that is held in its middle. */
static pid_t begin(void)
{
        pid_t job;

        proxy = (struct proxy){ .hold_at = MIDDLE };
        configure_proxy();
        job = program_start(ETCD_SNAPSHOT_FAULTS, (const char *[]){ "--root", root, NULL });
        proxy_wait_held(&proxy);
        return job;
}

static void strike_etcd(int signal)
{
        assert_int_equal(kill(member.pid, signal), 0);
        is_killed = signal != SIGSTOP;
}

static void assert_failed(const char *reason, const char *words)
{
        assert_last_run(reason);
        assert_only_whole_copies(1);
        wait_for_message(words);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
}

/* And it needs nobody. */
static void assert_next_run_succeeds(size_t copies)
{
        proxy_stop(&proxy);
        if (is_killed) {
                (void)program_wait(member.pid);
                free(member.programs);
                etcd_start_of(running, &member, root, false);
        }
        configure_endpoint(member.endpoint);
        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(copies + 1);
        assert_int_equal(run_plugin("verify", "--all"), 0);
        wait_for_message("is verified");
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
}

static void etcd_killed_in_mid_stream_leaves_nothing(void **state)
{
        pid_t job = begin();

        strike_etcd(SIGKILL);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 1);
        assert_failed("StreamBroken", "the last run failed: etcd broke off");
        assert_next_run_succeeds(1);
}

/* It may still finish the stream, without its trailer: the hash is the proof. */
static void etcd_stopped_in_mid_stream_leaves_nothing_or_a_whole_copy(void **state)
{
        pid_t job = begin();
        int status;

        strike_etcd(SIGTERM);
        proxy_release(&proxy);
        status = program_wait(job);
        if (status == 0)
                assert_only_whole_copies(2);
        else
                assert_failed("StreamBroken", "the last run failed: etcd broke off");
        assert_next_run_succeeds(status == 0 ? 2 : 1);
}

/* grpc-timeout does not end it, and etcd's read transaction lasts as long as the connection. */
static void a_stream_that_stands_still_is_closed(void **state)
{
        pid_t job = begin();

        strike_etcd(SIGSTOP);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 1);
        assert_int_equal(kill(member.pid, SIGCONT), 0);
        assert_failed("EtcdStalled", "the last run failed: etcd does not go on");
        assert_next_run_succeeds(1);
}

static void a_connection_cut_in_mid_stream_leaves_nothing(void **state)
{
        pid_t job = begin();

        proxy.cut = true;
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 1);
        assert_failed("StreamBroken", "the last run failed: etcd broke off");
        assert_next_run_succeeds(1);
}

static void a_changed_byte_in_the_stream_is_found(void **state)
{
        proxy = (struct proxy){ .flip_in = MARK };
        configure_proxy();
        assert_int_equal(take_snapshot(), 1);
        assert_true(atomic_load(&proxy.flipped));
        assert_failed("HashMismatch", "do not have the SHA-256 that etcd sent with them");
        assert_next_run_succeeds(1);
}

static void a_job_killed_in_mid_stream_is_swept_by_the_next_run(void **state)
{
        pid_t job = begin();

        assert_int_equal(program_stop(job, SIGKILL), -SIGKILL);
        assert_int_equal(run_plugin("verify", "--all"), 0);
        assert_next_run_succeeds(1);
}

#define STRIKE_TEST(f, suite)                                        \
        {                                                            \
                suite ": " #f, f, set_up, tear_down, (void *)(suite) \
        }
#define STRIKE_TESTS(suite)                                                                    \
        STRIKE_TEST(etcd_killed_in_mid_stream_leaves_nothing, suite),                          \
                STRIKE_TEST(etcd_stopped_in_mid_stream_leaves_nothing_or_a_whole_copy, suite), \
                STRIKE_TEST(a_stream_that_stands_still_is_closed, suite),                      \
                STRIKE_TEST(a_connection_cut_in_mid_stream_leaves_nothing, suite),             \
                STRIKE_TEST(a_changed_byte_in_the_stream_is_found, suite)

int main(void)
{
        /* 3.4, Debian 13's 3.5, and the newest that Debian has. */
        const struct CMUnitTest tests[] = {
                STRIKE_TESTS("bookworm"),
                STRIKE_TEST(a_job_killed_in_mid_stream_is_swept_by_the_next_run, "bookworm"),
                STRIKE_TESTS("trixie"),
                STRIKE_TESTS("sid"),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, tear_down_group);
}
