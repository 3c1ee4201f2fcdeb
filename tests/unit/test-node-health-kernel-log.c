/* SPDX-License-Identifier: Apache-2.0 */

/* A pipe in the place of /dev/kmsg; what only the device does (EPIPE, an endless flood) comes from `faults`.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
        int errors[4]; /* of the next reads, before anything else */
        size_t n_errors;
        bool endless;
        uint64_t sequence;
        unsigned reads;
} faults;

static ssize_t faulty_read(int fd, void *buffer, size_t size);
#define read faulty_read
#include "kernel-log.c"
#undef read
#include "kernel-check.c"

static ssize_t faulty_read(int fd, void *buffer, size_t size)
{
        faults.reads++;
        if (faults.n_errors > 0) {
                errno = faults.errors[--faults.n_errors];
                return -1;
        }
        if (faults.endless)
                return snprintf(buffer, size, "6,%llu,1,-;flood\n", (unsigned long long)faults.sequence++);
        return read(fd, buffer, size);
}

struct fixture {
        char *root;
        int writer;
        sd_event *event;
        struct kernel_log log;
};

static char *own_paths[] = { "/" };
static const struct config_strings own = { own_paths, 1 };

static int follow(struct fixture *f)
{
        return kernel_log_follow(&f->log, f->event, f->root, &own);
}

static int open_fixture(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        _cleanup_free_ char *path = NULL, *devices = NULL, *state_dir = NULL;

        memset(&faults, 0, sizeof(faults));
        assert_non_null(f);
        f->root = strdup("/tmp/kernel-log-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        devices = path_under(f->root, "/dev");
        path = path_under(f->root, "/dev/kmsg");
        state_dir = path_under(f->root, "/var/lib/capi-node-agent/node-health");
        assert_int_equal(directory_make(devices, 0755), 0);
        assert_int_equal(directory_make(state_dir, 0700), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        f->writer = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        assert_true(f->writer >= 0);
        assert_int_equal(sd_event_new(&f->event), 0);
        f->log = (struct kernel_log)KERNEL_LOG_NONE;
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *command = NULL;

        kernel_log_close(&f->log);
        sd_event_unref(f->event);
        close(f->writer);
        assert_true(asprintf(&command, "rm -rf %s", f->root) > 0);
        assert_int_equal(system(command), 0);
        free(f->root);
        free(f);
        return 0;
}

/* Writes a record of the kernel's own and lets the loop read it. */
static void say_at(struct fixture *f, uint64_t sequence, const char *text)
{
        char record[512];
        int n = snprintf(record, sizeof(record), "3,%llu,%llu,-;%s\n SUBSYSTEM=test\n",
                         (unsigned long long)sequence, (unsigned long long)now_monotonic_usec(), text);

        assert_int_equal(write(f->writer, record, (size_t)n), n);
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static const struct kernel_finding *found(const struct fixture *f, const char *name)
{
        return &f->log.found[kernel_rule_index(name)];
}

static struct check_result verdict(const struct fixture *f, bool storage, uint64_t later_usec)
{
        struct check_result result;

        judge(&f->log, storage, now_monotonic_usec() + later_usec, 10 * USEC_PER_MIN, &result);
        return result;
}

static void reads_the_kernels_own_format(void **state)
{
        char record[] = "12,339,5140900,c,caller=T1;NET: Registered PF_INET\n SUBSYSTEM=acpi\n "
                        "DEVICE=+acpi:PNP0A03:00\n";
        char odd[] = "6,1,2,-;a\tb\xff;c";
        struct kernel_record parsed;

        (void)state;
        assert_int_equal(kernel_record_parse(record, &parsed), 0);
        assert_int_equal(parsed.facility, 1);
        assert_int_equal(parsed.sequence, 339);
        assert_int_equal(parsed.usec, 5140900);
        assert_string_equal(parsed.text, "NET: Registered PF_INET");
        assert_int_equal(kernel_record_parse(odd, &parsed), 0);
        assert_string_equal(parsed.text, "a?b?;c");
}

static void refuses_what_is_no_record(void **state)
{
        static const char *const texts[] = {
                "",           "\n",
                "6",          "6,1,2",
                "6,1,2,-",    "6,1,2,-\n;x",
                ",1,2,-;x",   "a,1,2,-;x",
                "6,-1,2,-;x", "6,18446744073709551616,2,-;x",
                " 6,1,2,-;x", "99999999999,1,2,-;x",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                _cleanup_free_ char *copy = strdup(texts[i]);
                struct kernel_record parsed;

                assert_int_equal(kernel_record_parse(copy, &parsed), -EBADMSG);
        }
}

/* As kernels from 5.15 to 6.x print them. */
static void knows_what_the_kernel_says_when_something_is_wrong(void **state)
{
        static const char *const said[][2] = {
                { "BUG: unable to handle page fault for address: ffffc90000bd7f58", "oops" },
                { "BUG: kernel NULL pointer dereference, address: 0000000000000010", "oops" },
                { "Oops: 0002 [#1] SMP NOPTI", "oops" },
                { "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP PTI",
                  "oops" },
                { "kernel BUG at fs/ext4/inode.c:2721!", "bug" },
                { "watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kworker/3:1:91]", "soft-lockup" },
                { "NMI watchdog: Watchdog detected hard LOCKUP on cpu 2", "hard-lockup" },
                { "rcu: INFO: rcu_sched self-detected stall on CPU", "rcu-stall" },
                { "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu-stall" },
                { "INFO: task kubelet:812 blocked for more than 120 seconds.", "hung-task" },
                { "EXT4-fs error (device vda1): ext4_lookup:1785: inode #131: comm ls: deleted inode",
                  "ext4-error" },
                { "XFS (dm-0): Corruption of in-memory data (0x8) detected at xfs_x+0x1 (fs/xfs/x.c:1).  "
                  "Shutting down "
                  "filesystem.",
                  "xfs-shutdown" },
                { "XFS (sdb1): Filesystem has been shut down due to log error (0x2).", "xfs-shutdown" },
                { "XFS (sdb1): Metadata corruption detected at xfs_agi_verify+0x12, xfs_agi block 0x2",
                  "xfs-error" },
                { "blk_update_request: I/O error, dev vda, sector 2048 op 0x1:(WRITE) flags 0x800",
                  "io-error" },
                { "I/O error, dev sdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
                  "io-error" },
                { "critical medium error, dev sda, sector 1 op 0x0:(READ)", "io-error" },
                { "Buffer I/O error on dev dm-1, logical block 0, lost async page write", "io-error" },
                { "nf_conntrack: nf_conntrack: table full, dropping packet", "conntrack-full" },
                { "unregister_netdevice: waiting for eth0 to become free. Usage count = 1",
                  "net-device-stuck" },
                { "Memory cgroup out of memory: Killed process 99 (java) total-vm:1kB", "oom-kill" },
                { "Out of memory: Killed process 99 (java) total-vm:1kB, anon-rss:1kB", "oom-kill" },
                { "{1}[Hardware Error]: event severity: fatal", "hardware-error-fatal" },
                { "mce: [Hardware Error]: Machine check events logged", "hardware-error" },
                { "cgroup: fork rejected by pids controller in /kubepods.slice", "fork-rejected" },
                { "traps: java[812] general protection fault ip:7f sp:7f error:0 in libc.so", NULL },
                { "EXT4-fs (vda1): mounted filesystem with ordered data mode", NULL },
                { "EXT4-fs (vda1): re-mounted. Opts: errors=remount-ro", NULL },
                { "XFS (sdb1): Mounting V5 Filesystem", NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(said); i++) {
                const struct kernel_rule *rule = kernel_rule_find(said[i][0]);

                if (!rule != !said[i][1] || (rule && strcmp(rule->name, said[i][1]) != 0))
                        fail_msg("\"%s\" is %s", said[i][0], rule ? rule->name : "nothing");
        }
}

static void rows_of_one_name_say_the_same(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_kernel_rules; i++) {
                const struct kernel_rule *first = &kernel_rules[kernel_rule_index(kernel_rules[i].name)];

                assert_string_equal(kernel_rules[i].reason, first->reason);
                assert_int_equal(kernel_rules[i].effect, first->effect);
        }
}

static void only_the_kernel_itself_is_believed(void **state)
{
        static const char forged[] = "11,1,1,-;kernel BUG at fs/ext4/inode.c:2721!\n";
        struct fixture *f = *state;

        assert_int_equal(follow(f), 0);
        assert_int_equal(write(f->writer, forged, sizeof(forged) - 1), sizeof(forged) - 1);
        while (sd_event_run(f->event, 0) > 0)
                ;
        assert_int_equal(f->log.foreign, 1);
        assert_int_equal(verdict(f, false, 0).status, CHECK_OK);
        say_at(f, 2, "kernel BUG at fs/ext4/inode.c:2721!");
        assert_int_equal(verdict(f, false, 0).status, CHECK_FAIL);
}

static void gaps_are_counted(void **state)
{
        struct fixture *f = *state;

        say_at(f, 100, "the first that is left of this boot is no gap");
        assert_int_equal(follow(f), 0);
        say_at(f, 101, "x");
        assert_int_equal(f->log.lost, 0);
        say_at(f, 105, "y");
        assert_int_equal(f->log.lost, 3);
        say_at(f, 106, "z");
        assert_int_equal(f->log.lost, 3);
        assert_int_equal(f->log.malformed, 0);
}

static void records_that_were_overwritten_do_not_stop_it(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(follow(f), 0);
        say_at(f, 1, "x");
        faults.errors[0] = EPIPE;
        faults.n_errors = 1;
        say_at(f, 900, "Oops: 0002 [#1] SMP");
        assert_int_equal(f->log.overruns, 1);
        assert_int_equal(f->log.lost, 898);
        assert_int_equal(found(f, "oops")->count, 1);
}

static void a_read_error_ends_it_until_the_next_run_and_never_spins(void **state)
{
        struct fixture *f = *state;
        unsigned reads;

        assert_int_equal(follow(f), 0);
        faults.errors[0] = EIO;
        faults.n_errors = 1;
        say_at(f, 1, "x");
        assert_true(f->log.fd < 0);
        reads = faults.reads;
        say_at(f, 2, "Oops: 0002 [#1] SMP");
        assert_int_equal(faults.reads, reads);
        assert_int_equal(follow(f), 0);
        assert_int_equal(found(f, "oops")->count, 1);
}

static void a_restart_neither_repeats_nor_misses(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(follow(f), 0);
        say_at(f, 10, "Oops: 0002 [#1] SMP");
        say_at(f, 11, "I/O error, dev sdz, sector 1");
        kernel_log_close(&f->log);
        f->log = (struct kernel_log)KERNEL_LOG_NONE;

        /* The device begins at the beginning again. */
        say_at(f, 10, "Oops: 0002 [#1] SMP");
        say_at(f, 11, "I/O error, dev sdz, sector 1");
        say_at(f, 12, "I/O error, dev sdz, sector 2");
        assert_int_equal(follow(f), 0);
        assert_int_equal(found(f, "oops")->count, 1);
        assert_int_equal(found(f, "io-error")->count, 2);
        assert_int_equal(f->log.lost, 0);
        assert_int_equal(verdict(f, false, 0).status, CHECK_FAIL);
}

static void what_was_overwritten_between_two_processes_is_a_gap(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(follow(f), 0);
        say_at(f, 10, "x");
        kernel_log_close(&f->log);
        f->log = (struct kernel_log)KERNEL_LOG_NONE;
        say_at(f, 20, "y");
        assert_int_equal(follow(f), 0);
        assert_int_equal(f->log.lost, 9);
}

static void what_another_boot_said_is_forgotten(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *path = NULL, *text = NULL;
        char *id;
        size_t size;

        assert_int_equal(follow(f), 0);
        say_at(f, 10, "Oops: 0002 [#1] SMP");
        path = strdup(f->log.state_path);
        kernel_log_close(&f->log);
        f->log = (struct kernel_log)KERNEL_LOG_NONE;
        assert_int_equal(file_read(path, 65536, &text, &size), 0);
        id = strstr(text, boot_id());
        assert_non_null(id);
        id[0] = id[0] == '0' ? '1' : '0';
        assert_int_equal(file_write(path, text, size, 0600), 0);

        assert_int_equal(follow(f), 0);
        assert_int_equal(found(f, "oops")->count, 0);
        say_at(f, 3, "numbers begin anew");
        assert_int_equal(f->log.lost, 0);
}

static void a_state_that_is_not_understood_is_as_none(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *path = path_under(f->root, STATE_PATH);

        assert_int_equal(file_write(path, "{ \"bootId\": 1", 13, 0600), 0);
        assert_int_equal(follow(f), 0);
        say_at(f, 7, "Oops: 0002 [#1] SMP");
        assert_int_equal(found(f, "oops")->count, 1);
}

static int tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        unsigned *ticks = userdata;

        (*ticks)++;
        assert_int_equal(sd_event_source_set_time_relative(source, 10 * USEC_PER_MSEC), 0);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void a_flood_is_read_slowly_and_holds_nothing_up(void **state)
{
        struct fixture *f = *state;
        uint64_t began, deadline, batches;
        sd_event_source *timer = NULL;
        unsigned ticks = 0;

        faults.endless = true;
        assert_int_equal(write(f->writer, "x", 1), 1); /* readable for ever */
        assert_int_equal(follow(f), 0);
        assert_int_equal(faults.reads, CATCH_UP_MAX);
        faults.reads = 0;
        assert_int_equal(sd_event_add_time_relative(f->event, &timer, CLOCK_MONOTONIC, 0, 1, tick, &ticks),
                         0);
        /* Other events have their turn between its batches, however busy the machine is. */
        began = now_boottime_usec();
        deadline = began + 60 * USEC_PER_SEC;
        while ((ticks < 10 || faults.reads < 3 * BATCH) && now_boottime_usec() < deadline)
                assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
        assert_true(ticks >= 10);
        batches = 1 + (now_boottime_usec() - began) / PAUSE_USEC;
        assert_in_range(faults.reads, 3 * BATCH, (batches + 1) * BATCH);
        sd_event_source_disable_unref(timer);
}

static void an_oops_is_told_until_the_next_boot_and_says_so(void **state)
{
        struct fixture *f = *state;
        struct check_result result;

        assert_int_equal(follow(f), 0);
        say_at(f, 1, "Oops: 0002 [#1] SMP");
        result = verdict(f, false, 30 * USEC_PER_DAY);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "KernelOops");
        assert_non_null(strstr(result.message, "until the next boot"));
        assert_int_equal(verdict(f, true, 0).status, CHECK_OK);
}

static void a_lockup_is_told_for_a_while(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(follow(f), 0);
        say_at(f, 1, "watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kworker/3:1:91]");
        assert_int_equal(verdict(f, false, 9 * USEC_PER_MIN).status, CHECK_FAIL);
        assert_null(strstr(verdict(f, false, 0).message, "next boot"));
        assert_int_equal(verdict(f, false, 11 * USEC_PER_MIN).status, CHECK_OK);
}

static void a_hung_task_fails_the_node_only_if_every_node_needs_it(void **state)
{
        struct fixture *f = *state;
        struct check_result result;

        assert_int_equal(follow(f), 0);
        say_at(f, 1, "INFO: task java:99 blocked for more than 120 seconds.");
        assert_int_equal(verdict(f, false, 0).status, CHECK_WARN);
        say_at(f, 2, "INFO: task containerd-shim:99 blocked for more than 120 seconds.");
        result = verdict(f, false, 0);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "TaskHung");
        assert_true(kernel_task_is_needed("INFO: task jbd2/vda1-8:99 blocked for more than 120 seconds."));
        assert_false(kernel_task_is_needed("INFO: task etcdctl:99 blocked for more than 120 seconds."));
}

static void an_error_of_a_disk_counts_by_what_is_on_it(void **state)
{
        struct fixture *f = *state;
        struct check_result result;

        assert_int_equal(follow(f), 0);
        (void)snprintf(f->log.devices[0], sizeof(f->log.devices[0]), "vda");
        (void)snprintf(f->log.devices[1], sizeof(f->log.devices[1]), "vda1");
        f->log.n_devices = 2;
        say_at(f, 1, "EXT4-fs error (device sdz1): ext4_lookup:1785: inode #131: comm ls: deleted inode");
        assert_int_equal(verdict(f, true, 0).status, CHECK_WARN); /* a pod's volume */
        say_at(f, 2, "I/O error, dev vda, sector 2048 op 0x1:(WRITE)");
        result = verdict(f, true, 0);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "IOError");
        assert_int_equal(verdict(f, true, 11 * USEC_PER_MIN).status, CHECK_OK);
        say_at(f, 3, "EXT4-fs error (device vda1): ext4_lookup:1785: inode #131: comm ls: deleted inode");
        result = verdict(f, true, 11 * USEC_PER_MIN);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "Ext4Error");
        assert_int_equal(verdict(f, false, 0).status, CHECK_OK);
}

static void where_there_is_no_kernel_log_it_says_so(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *path = path_under(f->root, "/dev/kmsg");

        assert_int_equal(unlink(path), 0);
        assert_int_equal(follow(f), -ENOENT);
        assert_int_equal(symlink("/dev/null", path), 0);
        assert_int_equal(follow(f), -ENOENT);
}

static void understands_every_record_of_this_machine(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *path = path_under(f->root, "/dev/kmsg");
        int r;

        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/dev/kmsg", path), 0);
        r = follow(f);
        if (r < 0)
                skip(); /* a container, or no CAP_SYSLOG */
        assert_true(f->log.records > 0);
        assert_int_equal(f->log.malformed, 0);
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_the_kernels_own_format),
                cmocka_unit_test(refuses_what_is_no_record),
                cmocka_unit_test(knows_what_the_kernel_says_when_something_is_wrong),
                cmocka_unit_test(rows_of_one_name_say_the_same),
                LOG_TEST(only_the_kernel_itself_is_believed),
                LOG_TEST(gaps_are_counted),
                LOG_TEST(records_that_were_overwritten_do_not_stop_it),
                LOG_TEST(a_read_error_ends_it_until_the_next_run_and_never_spins),
                LOG_TEST(a_restart_neither_repeats_nor_misses),
                LOG_TEST(what_was_overwritten_between_two_processes_is_a_gap),
                LOG_TEST(what_another_boot_said_is_forgotten),
                LOG_TEST(a_state_that_is_not_understood_is_as_none),
                LOG_TEST(a_flood_is_read_slowly_and_holds_nothing_up),
                LOG_TEST(an_oops_is_told_until_the_next_boot_and_says_so),
                LOG_TEST(a_lockup_is_told_for_a_while),
                LOG_TEST(a_hung_task_fails_the_node_only_if_every_node_needs_it),
                LOG_TEST(an_error_of_a_disk_counts_by_what_is_on_it),
                LOG_TEST(where_there_is_no_kernel_log_it_says_so),
                LOG_TEST(understands_every_record_of_this_machine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
