/* SPDX-License-Identifier: Apache-2.0 */

/* Snapshots of a real etcd: what one leaves, and what it must survive. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"
#include "proxy.h"

/* Into the stream, well before its end; the database of the tests is about 24 MiB. */
#define MIDDLE (6 * 1024 * 1024)

static mode_t mode_of(const char *path)
{
        _cleanup_free_ char *joined = under(path);
        struct stat st;

        assert_int_equal(stat(joined, &st), 0);
        return st.st_mode & 07777;
}

/* ---- what a snapshot leaves ---- */

static void a_copy_is_private_whole_and_verified(void **state)
{
        _cleanup_free_ char *archive = NULL;
        struct copies copies;

        assert_int_equal(run_plugin("snapshot", NULL), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(1);
        assert_int_equal(run_plugin("list", "--json"), 0);
        assert_int_equal(run_plugin("verify", "--all"), 0);

        copies = load_copies();
        assert_true(asprintf(&archive, SNAPSHOTS "/%s", copies.items[0].manifest->stored_file) > 0);
        assert_int_equal(mode_of(archive), 0600);
        assert_int_equal(mode_of(SNAPSHOTS), 0700);
        assert_int_equal(strncmp(copies.items[0].manifest->etcd_version, "3.", 2), 0);
        assert_true(copies.items[0].manifest->revision >= 26);
        assert_true(copies.items[0].manifest->walked);
        copies_clear(&copies);
}

static void verify_finds_a_damaged_copy(void **state)
{
        _cleanup_free_ char *path = NULL;
        struct copies copies;
        uint8_t byte;
        int fd;

        assert_int_equal(take_snapshot(), 0);
        copies = load_copies();
        assert_true(asprintf(&path, "%s/" SNAPSHOTS "/%s", root, copies.items[0].manifest->stored_file) > 0);
        copies_clear(&copies);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, &byte, 1, 100000), 1);
        byte ^= 0xff;
        assert_int_equal(pwrite(fd, &byte, 1, 100000), 1);
        close(fd);
        assert_int_equal(run_plugin("verify", NULL), 1);
}

static void etcds_own_tools_restore_a_copy(void **state)
{
        _cleanup_free_ char *answer = NULL, *command = NULL, *db = NULL, *data = NULL,
                            *restored_root = root_make();
        struct etcd restored;

        assert_int_equal(take_snapshot(), 0);
        assert_true(asprintf(&command,
                             "cd %s && zstd -dc %s/" SNAPSHOTS "/*.tar.zst | tar -x && test -s manifest.json",
                             restored_root, root) > 0);
        assert_int_equal(system(command), 0);

        db = path_under(restored_root, "/snapshot.db");
        assert_true(asprintf(&data, "--data-dir=%s/var/lib/etcd", restored_root) > 0);
        answer = etcd_ctl(&member, (const char *[]){ "snapshot", "restore", db, data, NULL });
        assert_non_null(strstr(answer, "added member"));
        etcd_start(&restored, restored_root, false);
        free(answer);
        answer = etcd_ctl(&restored, (const char *[]){ "get", "greeting", "--print-value-only", NULL });
        assert_string_equal(answer, "hello\n");
        etcd_stop(&restored, SIGTERM);
        root_remove(TAKE_PTR(restored_root));
}

static void retention_keeps_the_newest_and_what_is_not_ours(void **state)
{
        struct copies copies;

        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(3);
        copies = load_copies();
        assert_int_equal(copies.items[0].manifest->sequence, 5);
        assert_int_equal(copies.items[2].manifest->sequence, 3);
        copies_clear(&copies);

        root_write(root, SNAPSHOTS "/etcd-other-cp-9-20200101T000000Z-r1.tar.zst", "x", 0600);
        root_write(root, SNAPSHOTS "/notes.txt", "x", 0600);
        assert_int_equal(take_snapshot(), 0);
        assert_true(root_has(root, SNAPSHOTS "/etcd-other-cp-9-20200101T000000Z-r1.tar.zst"));
        assert_true(root_has(root, SNAPSHOTS "/notes.txt"));
}

static void a_target_that_fails_does_not_keep_the_others_from_theirs(void **state)
{
        _cleanup_free_ char *text = NULL;

        root_write(root, "var/lib/in-the-way", "", 0600);
        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER
                             "\", \"etcd\": { \"endpoint\": \"%s\" }, \"targets\": [\n"
                             "{ \"name\": \"broken\", \"path\": \"/var/lib/in-the-way/copies\" },\n"
                             "{ \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\" } ] }\n",
                             member.endpoint) > 0);
        root_write(root, CONFIG, text, 0600);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("TargetNotWritable");
        assert_only_whole_copies(1);
}

/* Runs a program's command line on a terminal of its own; what it showed is in ROOT/shown. */
static bool on_terminal(const char *program, const char *arguments)
{
        return shell("script -qefc 'stty cols 100; %s --root %s %s' shown </dev/null >/dev/null", program,
                     root, arguments);
}

static void progress_is_shown_on_a_terminal_and_nowhere_else(void **state)
{
        assert_true(on_terminal(ETCD_SNAPSHOT, ""));
        assert_true(shell("grep -q 'Receiving \\[.*B of .* MiB, .*/s, .* left' shown"));
        assert_true(shell("grep -q 'Reading back .* of .* MiB, ' shown"));
        assert_true(on_terminal(ETCD_BACKUP, "verify"));
        assert_true(shell("grep -q 'Verifying .*B of .* MiB, .*/s, .* left' shown"));
        assert_true(on_terminal(ETCD_BACKUP, "verify --json"));
        assert_true(shell("! grep -q Verifying shown"));
        assert_true(shell(ETCD_BACKUP " --root %s verify >shown 2>&1; ! grep -q Verifying shown", root));
}

/* ---- what it must survive ---- */

static void a_refused_client_certificate_is_named(void **state)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\",\n"
                             "  \"certFile\": \"/etc/kubernetes/pki/etcd/stranger.crt\",\n"
                             "  \"keyFile\": \"/etc/kubernetes/pki/etcd/stranger.key\" } }\n",
                             member.endpoint) > 0);
        root_write(root, CONFIG, text, 0600);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("CertificateRefused");
        assert_only_whole_copies(0);
}

static void a_server_of_another_authority_is_refused(void **state)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\",\n"
                             "  \"caFile\": \"/etc/kubernetes/pki/etcd/stranger.crt\" } }\n",
                             member.endpoint) > 0);
        root_write(root, CONFIG, text, 0600);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("CertificateRefused");
}

static void a_missing_certificate_is_named(void **state)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\",\n"
                             "  \"certFile\": \"/nonexistent.crt\" } }\n",
                             member.endpoint) > 0);
        root_write(root, CONFIG, text, 0600);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("CertificateMissing");
}

static void an_absent_etcd_is_named(void **state)
{
        configure_port(free_port());
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("EtcdUnreachable");
        assert_only_whole_copies(0);
}

static void without_or_with_a_wrong_configuration_nothing_is_tried(void **state)
{
        _cleanup_free_ char *path = under(CONFIG);

        root_write(root, CONFIG, "{ \"nonsense\": {} }", 0600);
        assert_int_equal(take_snapshot(), 78);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(take_snapshot(), 78);
        assert_int_equal(program_wait(start_snapshot("--nonsense")), 64);
}

static pid_t start_and_hold(struct proxy *proxy)
{
        pid_t job;

        *proxy = (struct proxy){ .target_port = member.port, .hold_at = MIDDLE };
        proxy_start(proxy);
        configure_port(proxy->port);
        job = start_snapshot(NULL);
        proxy_wait_held(proxy);
        return job;
}

static void a_second_snapshot_beside_a_running_one_steps_back(void **state)
{
        static struct proxy proxy;
        pid_t job = start_and_hold(&proxy);

        assert_int_equal(take_snapshot(), 1);
        assert_int_equal(program_wait(start_snapshot("--scheduled")), 0);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 0);
        assert_only_whole_copies(1);
        proxy_stop(&proxy);
}

static void a_stopped_job_cleans_up(void **state)
{
        static struct proxy proxy;
        pid_t job = start_and_hold(&proxy);

        assert_int_equal(program_stop(job, SIGTERM), 1);
        assert_last_run("Canceled");
        assert_only_whole_copies(0);
        proxy_stop(&proxy);
}

static void a_job_killed_at_any_moment_leaves_only_whole_copies(void **state)
{
        size_t before = 0;

        for (unsigned i = 0; i < 12; i++) {
                pid_t job = start_snapshot(NULL);
                struct copies copies;

                poll(NULL, 0, (int)(10 + 15 * i)); /* not a wait: the moment of the strike */
                kill(job, SIGKILL);
                (void)waitpid(job, NULL, 0);
                copies = load_copies();
                for (size_t c = 0; c < copies.count; c++)
                        assert_true(copies.items[c].whole);
                assert_true(copies.count >= before || copies.count == 3);
                before = copies.count;
                copies_clear(&copies);
        }
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(before < 3 ? before + 1 : 3);
        assert_int_equal(run_plugin("verify", "--all"), 0);
}

/* Mounts a small disk at the path. Only root can. */
static void mount_small_disk(const char *path, const char *size)
{
        _cleanup_free_ char *directory = under(path), *option = NULL;

        if (geteuid() != 0)
                skip();
        assert_int_equal(directory_make(directory, 0700), 0);
        assert_true(asprintf(&option, "size=%s,mode=0700", size) > 0);
        assert_int_equal(mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, option), 0);
}

static void unmount_small_disk(const char *path)
{
        _cleanup_free_ char *directory = under(path);

        assert_int_equal(umount2(directory, MNT_DETACH), 0);
}

static void a_disk_that_is_too_small_is_told_before_it_is_filled(void **state)
{
        mount_small_disk(SNAPSHOTS, "16M");
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("DiskFull");
        assert_only_whole_copies(0);
        unmount_small_disk(SNAPSHOTS);
}

static void a_disk_that_fills_while_writing_leaves_nothing(void **state)
{
        static struct proxy proxy;
        _cleanup_free_ char *filling = under(SNAPSHOTS "/filling");
        pid_t job;
        int fd;

        mount_small_disk(SNAPSHOTS, "40M");
        job = start_and_hold(&proxy);
        fd = open(filling, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        while (posix_fallocate(fd, lseek(fd, 0, SEEK_END), 64 * 1024) == 0)
                assert_true(lseek(fd, 0, SEEK_END) >= 0);
        close(fd);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 1);
        assert_last_run("DiskFull");
        assert_int_equal(unlink(filling), 0);
        assert_only_whole_copies(0);

        configure_endpoint(member.endpoint);
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(1);
        proxy_stop(&proxy);
        unmount_small_disk(SNAPSHOTS);
}

static void without_room_for_a_walk_a_copy_is_known_by_its_hashes(void **state)
{
        _cleanup_free_ char *filling = under(STATE "/filling");
        _cleanup_close_ int fd = -EBADF;
        struct copies copies;

        /* Room for a copy, but not for a tenth of the disk besides what a walk must remember. */
        mount_small_disk(STATE, "400M");
        fd = open(filling, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(posix_fallocate(fd, 0, 362 * 1024 * 1024), 0);
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(1);
        copies = load_copies();
        assert_false(copies.items[0].manifest->walked);
        copies_clear(&copies);
        assert_int_equal(run_plugin("list", NULL), 0);
        assert_int_equal(run_plugin("verify", NULL), 0);
        unmount_small_disk(STATE);
}

#define BACKUP_TEST(f) cmocka_unit_test_setup(f, backup_node_reset)

static int set_up(void **state)
{
        /* For the tests that mount a small disk: nothing of it is left, however a test ends. */
        if (geteuid() == 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                return -1;
        return backup_node_set_up(state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                BACKUP_TEST(a_copy_is_private_whole_and_verified),
                BACKUP_TEST(progress_is_shown_on_a_terminal_and_nowhere_else),
                BACKUP_TEST(verify_finds_a_damaged_copy),
                BACKUP_TEST(etcds_own_tools_restore_a_copy),
                BACKUP_TEST(retention_keeps_the_newest_and_what_is_not_ours),
                BACKUP_TEST(a_target_that_fails_does_not_keep_the_others_from_theirs),
                BACKUP_TEST(a_refused_client_certificate_is_named),
                BACKUP_TEST(a_server_of_another_authority_is_refused),
                BACKUP_TEST(a_missing_certificate_is_named),
                BACKUP_TEST(an_absent_etcd_is_named),
                BACKUP_TEST(without_or_with_a_wrong_configuration_nothing_is_tried),
                BACKUP_TEST(a_second_snapshot_beside_a_running_one_steps_back),
                BACKUP_TEST(a_stopped_job_cleans_up),
                BACKUP_TEST(a_job_killed_at_any_moment_leaves_only_whole_copies),
                BACKUP_TEST(a_disk_that_is_too_small_is_told_before_it_is_filled),
                BACKUP_TEST(a_disk_that_fills_while_writing_leaves_nothing),
                BACKUP_TEST(without_room_for_a_walk_a_copy_is_known_by_its_hashes),
        };

        return cmocka_run_group_tests(tests, set_up, backup_node_tear_down);
}
