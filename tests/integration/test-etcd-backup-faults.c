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
static void cut_power_at(const char *point)
{
        print_message("# killed at %s\n", point);
        assert_int_equal(setenv("CAPI_NODE_FAULT_POINT", point, 1), 0);
        assert_int_equal(program_wait(start_with_faults()), -SIGKILL);
        unsetenv("CAPI_NODE_FAULT_POINT");
        assert_int_equal(stop_daemon(SIGKILL), -SIGKILL);
}

/* Of three copies that are kept, and verified, none is lost before the next one is. */
static void killed_at_any_state_no_copy_is_lost_and_the_next_run_succeeds(void **state)
{
        static const char *const points[] = { SNAPSHOT_STATES };

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(take_snapshot(), 0);
        (void)start_daemon();
        for (size_t i = 0; i < ELEMENTS(points); i++) {
                struct copies copies;

                cut_power_at(points[i]);
                copies = load_copies();
                assert_true(copies.count >= 3);
                for (size_t c = 0; c < copies.count; c++)
                        assert_true(copies.items[c].whole);
                copies_clear(&copies);
                assert_int_equal(run_plugin("verify", "--all"), 0);
                (void)start_daemon();
                wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                assert_only_whole_copies(3);
        }
}

static void killed_before_there_was_a_copy_none_is_claimed(void **state)
{
        static const char *const points[] = { "received", "verified", "archive-published" };

        (void)start_daemon();
        for (size_t i = 0; i < ELEMENTS(points); i++) {
                cut_power_at(points[i]);
                (void)start_daemon();
                wait_for_condition(CONDITION_UNKNOWN, "NoBackupYet");
        }
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(1);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
}

#define ROOMY    "size=400m,nr_inodes=10000"
#define NO_INODE UINT64_MAX

static void mount_disk(const char *directory, unsigned long flags, const char *options)
{
        assert_int_equal(mount("tmpfs", directory, "tmpfs", flags | MS_NOSUID | MS_NODEV, options), 0);
}

/* So many bytes more than there are now; or not one file more. */
static bool is_limited(const char *directory, uint64_t room)
{
        struct statvfs st = {};
        char options[64];

        assert_int_equal(statvfs(directory, &st), 0);
        if (room == NO_INODE)
                (void)snprintf(options, sizeof(options), "nr_inodes=%lu", st.f_files - st.f_ffree);
        else
                (void)snprintf(options, sizeof(options), "size=%lu",
                               (st.f_blocks - st.f_bfree) * st.f_frsize + room);
        return mount("tmpfs", directory, "tmpfs", MS_REMOUNT | MS_NOSUID | MS_NODEV, options) == 0;
}

struct limit {
        const char *directory;
        uint64_t room;
};

/* Not while more is written in this moment than was counted. */
static bool limit_disk(void *userdata)
{
        const struct limit *limit = userdata;

        return is_limited(limit->directory, limit->room);
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

        if (room == NO_INODE)
                print_message("# room for no other file\n");
        else
                print_message("# room for %llu bytes\n", (unsigned long long)room);
        proxy = (struct proxy){ .target_port = member.port, .hold_at = 256 * 1024 };
        proxy_start(&proxy);
        configure_port(proxy.port);
        job = start_snapshot(NULL);
        proxy_wait_held(&proxy);
        wait_until(is_begun, directory, "the file");
        wait_until(limit_disk, &(struct limit){ directory, room }, "the limit");
        proxy_release(&proxy);
        status = program_wait(job);
        proxy_stop(&proxy);
        mount_disk(directory, MS_REMOUNT, ROOMY);
        configure_endpoint(member.endpoint);
        return status;
}

/* Of the archive's bytes some; all but its last ones; all of it, and not its manifest. What is random in an
 * archive makes the next one a few bytes longer or shorter. */
static void choose_rooms(uint64_t rooms[5])
{
        _cleanup_copies_ copies = load_copies();
        uint64_t stored = copies.items[0].manifest->stored_size;
        unsigned seed = (unsigned)time(NULL);

        print_message("# seed %u\n", seed);
        for (size_t i = 0; i < 3; i++)
                rooms[i] = (uint64_t)rand_r(&seed) % (stored / 2);
        rooms[3] = stored - 64 * 1024;
        rooms[4] = NO_INODE;
}

static void a_disk_that_fills_anywhere_costs_no_copy_and_the_next_run_succeeds(void **state)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS);
        uint64_t rooms[5];
        size_t before = 1;

        if (geteuid() != 0)
                skip();
        assert_int_equal(directory_make(directory, 0700), 0);
        mount_disk(directory, 0, ROOMY);
        (void)start_daemon();
        assert_int_equal(snapshot_into(directory, 4096), 1);
        assert_last_run("DiskFull");
        assert_only_whole_copies(0);
        wait_for_condition(CONDITION_FALSE, "LastRunFailed");
        assert_int_equal(take_snapshot(), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");

        choose_rooms(rooms);
        for (size_t i = 0; i < ELEMENTS(rooms); i++) {
                assert_int_equal(snapshot_into(directory, rooms[i]), 1);
                assert_last_run("DiskFull");
                assert_only_whole_copies(before);
                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                before = before < 3 ? before + 1 : 3;
                assert_only_whole_copies(before);
        }
        assert_true(is_limited(directory, NO_INODE));
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("DiskFull");
        assert_only_whole_copies(before);
        wait_for_message("has no inode left for one more file");
        mount_disk(directory, MS_REMOUNT, ROOMY);
        assert_int_equal(run_plugin("verify", "--all"), 0);
}

static void a_clock_that_jumps_costs_no_copy_and_the_next_run_succeeds(void **state)
{
        static const char *const shifts[] = { "86400", "-86400" };
        size_t count = 3;

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(take_snapshot(), 0);
        (void)start_daemon();
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

static int tear_down(void **state)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS);

        (void)stop_daemon(SIGTERM);
        (void)umount2(directory, MNT_DETACH); /* of most tests it is no disk of its own */
        return 0;
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

#define FAULTS_TEST(suite, f) TEST_OF(suite, f, set_up, tear_down)
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
