/* SPDX-License-Identifier: Apache-2.0 */

/* A snapshot of each version of etcd that dies, wherever that is, a disk that fills, a clock that jumps. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <time.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"
#include "proxy.h"
#include "quantity.h"
#include "snapshot-states.h"
#include "timestamp.h"

static pid_t start_with_faults(void)
{
        return program_start(ETCD_SNAPSHOT_FAULTS, (const char *[]){ "--root", root, NULL });
}

/* Killed there, and the resident part with it, as by a power cut. */
static void cut_power_at(const char *point, pid_t resident)
{
        print_message("# killed at %s\n", point);
        assert_int_equal(setenv("CAPI_NODE_FAULT_POINT", point, 1), 0);
        assert_int_equal(program_wait(start_with_faults()), -SIGKILL);
        unsetenv("CAPI_NODE_FAULT_POINT");
        assert_int_equal(program_stop(resident, SIGKILL), -SIGKILL);
}

/* Of three copies that are kept, and verified, none is lost before the next one is. */
static void killed_at_any_state_no_copy_is_lost_and_the_next_run_succeeds(void **state)
{
        static const char *const points[] = { SNAPSHOT_STATES };
        pid_t resident;

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(take_snapshot(), 0);
        resident = start_daemon();
        for (size_t i = 0; i < ELEMENTS(points); i++) {
                struct copies copies;

                cut_power_at(points[i], resident);
                copies = load_copies();
                assert_true(copies.count >= 3);
                for (size_t c = 0; c < copies.count; c++)
                        assert_true(copies.items[c].whole);
                copies_clear(&copies);
                assert_int_equal(run_plugin("verify", "--all"), 0);
                resident = start_daemon();
                wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                assert_only_whole_copies(3);
        }
        (void)program_stop(resident, SIGTERM);
}

static void killed_before_there_was_a_copy_none_is_claimed(void **state)
{
        static const char *const points[] = { "received", "verified", "archive-published" };
        pid_t resident = start_daemon();

        for (size_t i = 0; i < ELEMENTS(points); i++) {
                cut_power_at(points[i], resident);
                resident = start_daemon();
                wait_for_condition(CONDITION_UNKNOWN, "NoBackupYet");
        }
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(1);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        (void)program_stop(resident, SIGTERM);
}

#define BLOCK 4096

static void size_disk(const char *directory, uint64_t room, unsigned long flags)
{
        _cleanup_free_ char *option = NULL;
        struct statvfs st = {};

        assert_int_equal(statvfs(directory, &st), 0);
        room += flags ? (st.f_blocks - st.f_bfree) * st.f_frsize : 0;
        assert_true(asprintf(&option, "size=%llu,mode=0700", (unsigned long long)room) > 0);
        assert_int_equal(mount("tmpfs", directory, "tmpfs", flags | MS_NOSUID | MS_NODEV, option), 0);
}

/* Whether the file under construction is there: the room was looked at before. */
static bool is_begun(void *directory)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (strstr(entry->d_name, ".new-"))
                        return true;
        return false;
}

/* A snapshot for which there is room at first, and then no more than this. Returns its exit status. */
static int snapshot_into(char *directory, uint64_t room)
{
        static struct proxy proxy;
        pid_t job;
        int status;

        print_message("# room for %llu bytes\n", (unsigned long long)room);
        proxy = (struct proxy){ .target_port = member.port, .hold_at = 256 * 1024 };
        proxy_start(&proxy);
        configure_port(proxy.port);
        job = start_snapshot(NULL);
        proxy_wait_held(&proxy);
        wait_until(is_begun, directory, "the file");
        size_disk(directory, room, MS_REMOUNT);
        proxy_release(&proxy);
        status = program_wait(job);
        proxy_stop(&proxy);
        size_disk(directory, 400 << 20, MS_REMOUNT);
        configure_endpoint(member.endpoint);
        return status;
}

static void a_disk_that_fills_anywhere_costs_no_copy_and_the_next_run_succeeds(void **state)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS);
        unsigned seed = (unsigned)time(NULL);
        _cleanup_copies_ copies = {};
        uint64_t stored, rooms[5];
        size_t before = 1;
        pid_t resident;

        if (geteuid() != 0)
                skip();
        print_message("# seed %u\n", seed);
        assert_int_equal(directory_make(directory, 0700), 0);
        size_disk(directory, 400 << 20, 0);
        resident = start_daemon();
        assert_int_equal(snapshot_into(directory, BLOCK), 1);
        assert_last_run("DiskFull");
        assert_only_whole_copies(0);
        wait_for_condition(CONDITION_FALSE, "LastRunFailed");
        assert_int_equal(take_snapshot(), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

        copies = load_copies();
        stored = copies.items[0].manifest->stored_size;
        for (size_t i = 0; i < ELEMENTS(rooms) - 2; i++)
                rooms[i] = (uint64_t)rand_r(&seed) % stored;
        /* The last bytes of the archive; all of it, but not its manifest. */
        rooms[ELEMENTS(rooms) - 2] = stored / BLOCK * BLOCK;
        rooms[ELEMENTS(rooms) - 1] = stored / BLOCK * BLOCK + BLOCK;
        for (size_t i = 0; i < ELEMENTS(rooms); i++) {
                assert_int_equal(snapshot_into(directory, rooms[i]), 1);
                assert_last_run("DiskFull");
                assert_only_whole_copies(before);
                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                before = before < 3 ? before + 1 : 3;
                assert_only_whole_copies(before);
        }
        assert_int_equal(run_plugin("verify", "--all"), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        (void)program_stop(resident, SIGTERM);
        assert_int_equal(umount2(directory, MNT_DETACH), 0);
}

/* The run sees another day, while etcd, its certificates and the clocks that nobody sets go on. */
static int take_snapshot_at(const char *shift)
{
        int status;

        print_message("# the clock is off by %s s\n", shift);
        assert_int_equal(setenv("CLOCK_SHIFT", shift, 1), 0);
        assert_int_equal(setenv("LD_PRELOAD", SHIFTED_CLOCK, 1), 0);
        status = take_snapshot();
        unsetenv("LD_PRELOAD");
        return status;
}

static void a_clock_that_jumps_costs_no_copy_and_the_next_run_succeeds(void **state)
{
        static const char *const shifts[] = { "86400", "-86400" };
        size_t count = 3;
        pid_t resident;

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(take_snapshot(), 0);
        resident = start_daemon();
        for (size_t i = 0; i < ELEMENTS(shifts); i++) {
                _cleanup_copies_ copies = {};

                assert_int_equal(take_snapshot_at(shifts[i]), 0);
                assert_last_run("VerifiedCopyTaken");
                assert_only_whole_copies(++count); /* nothing is pruned by such a clock */
                copies = load_copies();
                assert_true(copies.items[0].manifest->sequence > copies.items[1].manifest->sequence);
                assert_true(llabs((int64_t)copies.items[0].manifest->started_usec -
                                  (int64_t)now_realtime_usec()) > 23 * (int64_t)USEC_PER_HOUR);
                wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                assert_only_whole_copies(++count);
                wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        }
        assert_int_equal(run_plugin("verify", "--all"), 0);
        (void)program_stop(resident, SIGTERM);
}

#define MIB 4

static const char *running; /* the suite whose etcd it is; NULL: none */

static int set_up(void **state)
{
        const char *suite = *state;

        if (!running || strcmp(running, suite) != 0)
                backup_node_use(suite, MIB, true);
        running = suite;
        return backup_node_reset(state);
}

static int set_up_group(void **state)
{
        /* For the test that mounts a disk: nothing of it is left, however that one ends. */
        if (geteuid() == 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                return -1;
        signal(SIGPIPE, SIG_IGN);
        root = root_make();
        etcd_make_pki(root);
        return 0;
}

#define FAULTS_TEST(suite, f) TEST_OF(suite, f, set_up, NULL)
#define FAULTS_TESTS(suite)                                                                             \
        FAULTS_TEST(suite, killed_at_any_state_no_copy_is_lost_and_the_next_run_succeeds),              \
                FAULTS_TEST(suite, killed_before_there_was_a_copy_none_is_claimed),                     \
                FAULTS_TEST(suite, a_disk_that_fills_anywhere_costs_no_copy_and_the_next_run_succeeds), \
                FAULTS_TEST(suite, a_clock_that_jumps_costs_no_copy_and_the_next_run_succeeds)

int main(void)
{
        const struct CMUnitTest tests[] = {
                FAULTS_TESTS("bookworm"),
                FAULTS_TESTS("trixie"),
                FAULTS_TESTS("sid"),
        };

        return cmocka_run_group_tests(tests, set_up_group, backup_node_tear_down);
}
