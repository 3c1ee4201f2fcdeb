/* SPDX-License-Identifier: Apache-2.0 */

/* STATE/lock between us and a program that is not ours: etcdctl defrag under flock(1), as the manual says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"
#include "proxy.h"

#define LOCK   STATE "/lock"
#define MIB    6
#define MIDDLE (1u * 1024 * 1024)

static pid_t start_defragmentation(const char *option)
{
        _cleanup_free_ char *lock = under(LOCK), *endpoint = NULL;
        _cleanup_free_ char *program =
                path_under(member.programs ?: "", member.programs ? "/etcdctl" : "etcdctl");

        assert_true(asprintf(&endpoint, "--endpoints=%s", member.endpoint) > 0);
        return program_start("/usr/bin/flock", (const char *[]){ option, lock, program, endpoint,
                                                                 "--command-timeout=120s", "defrag", NULL });
}

static bool is_locked(void *userdata)
{
        return !shell("flock --nonblock " LOCK " true");
}

/* Behind a lock that another has. */
static bool is_waiting(void *userdata)
{
        return shell("grep -q -e '-> FLOCK .* %d ' /proc/locks", *(pid_t *)userdata);
}

static bool steps_back(const char *program, const char *arguments, int status)
{
        return shell("{ %s --root %s %s || test $? = %d; } 2>said; grep -q 'Not now: .*lslocks.*/lock' said",
                     program, root, arguments, status);
}

static pid_t start_drill(void)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "exec " ETCD_RESTORE " --root %s drill 2>%s/drill.log", root, root) >
                    0);
        return program_start("/bin/sh", (const char *[]){ "-c", command, NULL });
}

static bool drill_waits(void *userdata)
{
        return shell("grep -q 'Waiting .*lslocks.*/lock' drill.log");
}

static void a_defragmentation_under_the_lock_keeps_all_others_away_until_it_ends(void **state)
{
        pid_t defragmentation, drill;

        assert_int_equal(take_snapshot(), 0);
        /* So that it takes as long as the test wants. */
        assert_int_equal(kill(member.pid, SIGSTOP), 0);
        defragmentation = start_defragmentation("--exclusive");
        wait_until(is_locked, NULL, "the lock");
        assert_true(steps_back(ETCD_SNAPSHOT, "", 1));
        assert_true(steps_back(ETCD_SNAPSHOT, "--scheduled", 0));
        assert_true(steps_back(ETCD_RESTORE, "newest --yes", 1));
        drill = start_drill();
        wait_until(drill_waits, NULL, "the drill's wait");
        assert_int_equal(kill(member.pid, SIGCONT), 0);
        assert_int_equal(program_wait(defragmentation), 0);
        /* There is no etcd that it could start; but it came to where it looks for one. */
        assert_int_equal(program_wait(drill), 1);
        assert_false(shell("grep -q 'Not now' drill.log"));

        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(2);
        assert_int_equal(run_plugin("verify", "--all"), 0);
}

static void a_defragmentation_waits_for_a_snapshot_and_the_member_serves_meanwhile(void **state)
{
        static struct proxy proxy;
        char endpoint[64];
        pid_t job, defragmentation;

        proxy = (struct proxy){ .target_port = member.port, .hold_at = MIDDLE };
        proxy_start(&proxy);
        (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", proxy.port);
        configure_endpoint(endpoint);
        job = start_snapshot(NULL);
        proxy_wait_held(&proxy);
        assert_int_equal(program_wait(start_defragmentation("--nonblock")), 1);
        defragmentation = start_defragmentation("--exclusive");
        wait_until(is_waiting, &defragmentation, "its wait");
        etcd_put(&member, "meanwhile", "served", 6);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 0);
        assert_int_equal(program_wait(defragmentation), 0);
        proxy_stop(&proxy);
        assert_only_whole_copies(1);
        assert_int_equal(run_plugin("verify", "--all"), 0);
}

static int set_up(void **state)
{
        backup_node_use(*state, MIB, false);
        return backup_node_reset(state);
}

static int set_up_group(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        root = root_make();
        return 0;
}

#define INTERLOCK_TEST(suite, f) TEST_OF(suite, f, set_up, NULL)
#define INTERLOCK_TESTS(suite)                                                                       \
        INTERLOCK_TEST(suite, a_defragmentation_under_the_lock_keeps_all_others_away_until_it_ends), \
                INTERLOCK_TEST(suite,                                                                \
                               a_defragmentation_waits_for_a_snapshot_and_the_member_serves_meanwhile)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                INTERLOCK_TESTS("bookworm"),
                INTERLOCK_TESTS("trixie"),
                INTERLOCK_TESTS("sid"),
        };

        return cmocka_run_group_tests(tests, set_up_group, backup_node_tear_down);
}
