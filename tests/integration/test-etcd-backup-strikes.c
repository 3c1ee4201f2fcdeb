/* SPDX-License-Identifier: Apache-2.0 */

/* A real etcd of each version that is struck while it sends, or whose stream is changed on its way: no copy
 * is lost, the condition tells the truth, and the next run succeeds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "backup-node.h"
#include "files.h"
#include "last-run.h"
#include "program.h"
#include "proxy.h"
#include "quantity.h"
#include "timestamp.h"

/* What the kernel keeps between etcd and us is far less than the rest. */
#define MIDDLE (1u * 1024 * 1024)
#define MIB    6
#define MARK   "mark-of-the-test"

static const char *running; /* the suite whose etcd it is; NULL: none */
static struct proxy proxy;

/* Without TLS, so that a byte can be changed on its way. */
static void start_etcd(const char *suite)
{
        char text[4096] = "";

        backup_node_use(suite, MIB, false);
        running = suite;
        for (size_t i = 0; i + 1 < sizeof(text) / (sizeof(MARK) - 1); i++)
                strcat(text, MARK);
        etcd_put(&member, "marked", text, strlen(text));
}

/* There is a copy, and a resident part that says so. */
static int set_up(void **state)
{
        const char *suite = *state;

        if (!running || strcmp(running, suite) != 0)
                start_etcd(suite);
        (void)backup_node_reset(state);
        assert_int_equal(take_snapshot(), 0);
        (void)start_daemon();
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        return 0;
}

static int tear_down(void **state)
{
        (void)stop_daemon(SIGTERM);
        return 0;
}

static int set_up_group(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        root = root_make();
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
        configure_endpoint(member.endpoint);
        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(copies + 1);
        assert_int_equal(run_plugin("verify", "--all"), 0);
        wait_for_message("is verified");
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
}

static void start_etcd_again(void)
{
        etcd_stop(&member, SIGKILL);
        etcd_start_of(running, &member, root, false);
}

static void etcd_killed_in_mid_stream_leaves_nothing(void **state)
{
        pid_t job = begin();

        assert_int_equal(kill(member.pid, SIGKILL), 0);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 1);
        assert_failed("StreamBroken", "the last run failed: etcd broke off");
        start_etcd_again();
        assert_next_run_succeeds(1);
}

/* It may still finish the stream, without its trailer: the hash is the proof. */
static void etcd_stopped_in_mid_stream_leaves_nothing_or_a_whole_copy(void **state)
{
        pid_t job = begin();
        int status;

        assert_int_equal(kill(member.pid, SIGTERM), 0);
        proxy_release(&proxy);
        status = program_wait(job);
        if (status == 0)
                assert_only_whole_copies(2);
        else
                assert_failed("StreamBroken", "the last run failed: etcd broke off");
        start_etcd_again();
        assert_next_run_succeeds(status == 0 ? 2 : 1);
}

/* grpc-timeout does not end it, and etcd's read transaction lasts as long as the connection. */
static void a_stream_that_stands_still_is_closed(void **state)
{
        pid_t job;

        program_stall_after("4");
        job = begin();
        program_stall_after(NULL);
        assert_int_equal(kill(member.pid, SIGSTOP), 0);
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

/* A run whose stream is changed on its way, as `proxy` says. Returns its exit status. */
static int take_changed(void)
{
        configure_proxy();
        return take_snapshot();
}

static void a_changed_byte_in_the_stream_is_found(void **state)
{
        proxy = (struct proxy){ .flip = { .in = MARK, .size = sizeof(MARK) - 1, .by = 1 } };
        assert_int_equal(take_changed(), 1);
        assert_true(atomic_load(&proxy.flipped));
        assert_failed("HashMismatch", "do not have the SHA-256 that etcd sent with them");
        assert_next_run_succeeds(1);
}

/* gRPC's prefix of the first message: not compressed, and of 32 KiB of the database and what remains. */
#define PREFIX "\0\0\0\x80\x09"

static void a_message_of_more_than_4_mib_is_refused_before_it_comes(void **state)
{
        proxy = (struct proxy){ .flip = { .in = PREFIX, .size = sizeof(PREFIX) - 1, .at = 2, .by = 0x40 } };
        assert_int_equal(take_changed(), 1);
        assert_true(atomic_load(&proxy.flipped));
        assert_failed("MessageTooLarge", "the last run failed: ");
        assert_next_run_succeeds(1);
}

static void a_length_prefix_that_is_wrong_is_found(void **state)
{
        static const char by[] = { 1, 2, 0x40 }; /* shorter, a little longer, and much */

        for (size_t i = 0; i < sizeof(by); i++) {
                proxy = (struct proxy){ .flip = {
                                                .in = PREFIX, .size = 5, .at = i < 2 ? 4 : 3, .by = by[i] } };
                assert_int_equal(take_changed(), 1);
                assert_true(atomic_load(&proxy.flipped));
                assert_failed("StreamInvalid", "the last run failed: etcd's snapshot stream contradicts");
                if (i + 1 < sizeof(by))
                        proxy_stop(&proxy);
        }
        assert_next_run_succeeds(1);
}

static void a_stream_without_its_trailer_is_whole_when_its_hash_is_right(void **state)
{
        proxy = (struct proxy){ .trailer = "" };
        assert_int_equal(take_changed(), 0);
        assert_true(atomic_load(&proxy.flipped));
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(2);
        assert_next_run_succeeds(2);
}

static void a_status_other_than_ok_is_no_copy_and_is_named(void **state)
{
        static const struct {
                const char *status, *reason;
        } ends[] = { { "8", "ResourceExhausted" }, { "14", "Unavailable" }, { "16", "Unauthenticated" } };

        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                proxy = (struct proxy){ .trailer = ends[i].status };
                assert_int_equal(take_changed(), 1);
                assert_true(atomic_load(&proxy.flipped));
                assert_failed(ends[i].reason, "the last run failed: ");
                if (i + 1 < ELEMENTS(ends))
                        proxy_stop(&proxy);
        }
        assert_next_run_succeeds(1);
}

/* etcd ignores that its file ends early, and sends empty pieces for ever (etcd:
 * server/etcdserver/api/v3rpc/maintenance.go). */
static bool etcd_has_ended(void *userdata)
{
        siginfo_t info = {};

        return waitid(P_PID, (id_t)member.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0;
}

/* Returns whether etcd has sent it to its end: it reads its file through a mapping, too, and may meet what is
 * missing there, which is its own death. */
static bool send_file_that_ends_early(void)
{
        _cleanup_free_ char *state_dir = under(STATE);
        _cleanup_last_run_ run = {};
        bool sent;

        proxy = (struct proxy){};
        assert_true(shell("cd var/lib/etcd/member/snap; cp db whole; truncate --size=1M db"));
        assert_int_equal(take_changed(), 1);
        assert_int_equal(last_run_load(state_dir, &run), 0);
        sent = strcmp(run.reason, "StreamBroken") != 0;
        if (sent) {
                assert_failed("StreamInvalid",
                              "it goes on without bytes, as etcd does when its file ended early");
        } else {
                wait_until(etcd_has_ended, NULL, "the end of etcd");
                proxy_stop(&proxy);
        }
        etcd_stop(&member, SIGKILL);
        assert_true(shell("cd var/lib/etcd/member/snap; mv whole db"));
        start_etcd_again();
        return sent;
}

struct rest {
        long index;
        uint64_t since_usec;
};

/* An etcd that was started a moment ago writes down that it was, through the mapping, at the next tick of a
 * tenth of a second. */
static bool etcd_rests(void *userdata)
{
        _cleanup_free_ char *answer =
                etcd_ctl(&member, (const char *[]){ "endpoint", "status", "-w", "json", NULL });
        const char *at = strstr(answer, "\"raftIndex\":");
        long index = at ? strtol(at + strlen("\"raftIndex\":"), NULL, 10) : -1;
        struct rest *rest = userdata;

        if (rest->index != index)
                *rest = (struct rest){ .index = index, .since_usec = now_boottime_usec() };
        return index > 0 && now_boottime_usec() - rest->since_usec > 2 * USEC_PER_SEC;
}

static void empty_pieces_for_ever_end(void **state)
{
        unsigned tries = 1;

        while (!send_file_that_ends_early()) {
                assert_true(++tries <= 10);
                wait_until(etcd_rests, &(struct rest){}, "rest of etcd");
        }
        assert_next_run_succeeds(1);
}

static void a_second_run_beside_one_steps_back(void **state)
{
        pid_t job = begin();

        assert_int_equal(take_snapshot(), 1);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(2);
        assert_next_run_succeeds(2);
}

static void a_job_killed_in_mid_stream_is_swept_by_the_next_run(void **state)
{
        pid_t job = begin();

        assert_int_equal(program_stop(job, SIGKILL), -SIGKILL);
        assert_int_equal(run_plugin("verify", "--all"), 0);
        assert_next_run_succeeds(1);
}

#define STRIKE_TEST(suite, f) TEST_OF(suite, f, set_up, tear_down)
#define STRIKE_TESTS(suite)                                                                       \
        STRIKE_TEST(suite, etcd_killed_in_mid_stream_leaves_nothing),                             \
                STRIKE_TEST(suite, etcd_stopped_in_mid_stream_leaves_nothing_or_a_whole_copy),    \
                STRIKE_TEST(suite, a_stream_that_stands_still_is_closed),                         \
                STRIKE_TEST(suite, a_connection_cut_in_mid_stream_leaves_nothing),                \
                STRIKE_TEST(suite, a_changed_byte_in_the_stream_is_found),                        \
                STRIKE_TEST(suite, a_message_of_more_than_4_mib_is_refused_before_it_comes),      \
                STRIKE_TEST(suite, a_length_prefix_that_is_wrong_is_found),                       \
                STRIKE_TEST(suite, a_stream_without_its_trailer_is_whole_when_its_hash_is_right), \
                STRIKE_TEST(suite, a_status_other_than_ok_is_no_copy_and_is_named),               \
                STRIKE_TEST(suite, empty_pieces_for_ever_end),                                    \
                STRIKE_TEST(suite, a_second_run_beside_one_steps_back),                           \
                STRIKE_TEST(suite, a_job_killed_in_mid_stream_is_swept_by_the_next_run)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STRIKE_TESTS("bookworm"),
                STRIKE_TESTS("trixie"),
                STRIKE_TESTS("sid"),
        };

        return cmocka_run_group_tests(tests, set_up_group, backup_node_tear_down);
}
