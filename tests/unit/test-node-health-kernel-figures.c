/* SPDX-License-Identifier: Apache-2.0 */

/* Pressure, limits, OOM kills and a reboot that is required, from files as the kernel and Debian write them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libgen.h>
#include <string.h>

#include "check-run-end.h"
#include "files.h"
#include "kernel-figures.h"
#include "node.h"
#include "oom.h"
#include "pressure.h"
#include "quantity.h"
#include "reboot.h"

struct fixture {
        char *root;
        struct node node;
        struct node_health_config config;
        struct check_run run;
};
static int open_fixture(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->root = strdup("/tmp/kernel-figures-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        node_init(&f->node, NULL, f->root);
        f->config.checks.memory_pressure.warn = f->config.checks.io_pressure.warn = 0.1;
        f->config.checks.pids = f->config.checks.open_files = (struct ratio_config){ true, 0.7, 0.9 };
        f->config.checks.conntrack = (struct ratio_config){ true, 0.75, 0.9 };
        f->config.checks.oom.window_usec = 10 * USEC_PER_MIN;
        f->node.config = &f->config;
        f->run.node = &f->node;
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *command = NULL;

        node_done(&f->node);
        assert_true(asprintf(&command, "rm -rf %s", f->root) > 0);
        assert_int_equal(system(command), 0);
        free(f->root);
        free(f);
        return 0;
}

static void put(struct fixture *f, const char *path, const char *text)
{
        _cleanup_free_ char *full = path_under(f->root, path), *copy = strdup(full);

        assert_int_equal(directory_make(dirname(copy), 0755), 0);
        assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
}

static void put_pressure(struct fixture *f, const char *resource, double avg10, double avg60)
{
        char path[64], text[256];

        (void)snprintf(path, sizeof(path), "/proc/pressure/%s", resource);
        (void)snprintf(text, sizeof(text),
                       "some avg10=99.00 avg60=99.00 avg300=99.00 total=5000000\n"
                       "full avg10=%.2f avg60=%.2f avg300=0.00 total=7\n",
                       avg10, avg60);
        put(f, path, text);
}

static void figures_are_read_strictly(void **state)
{
        static const char *const bad[] = { "", " ", "x", "-1", "1x", "1 ", "18446744073709551616 1" };
        uint64_t figures[3] = { 7, 7, 7 };

        (void)state;
        assert_int_equal(figures_parse("592\t0\t2466177\n", figures, 3), 0);
        assert_int_equal(figures[0], 592);
        assert_int_equal(figures[2], 2466177);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(figures_parse(bad[i], figures, 2), -EBADMSG);
}

static void a_figure_is_found_by_its_whole_name(void **state)
{
        uint64_t value = 0;

        (void)state;
        assert_int_equal(figure_find("oom 1\noom_kill 23\noom_kill_group 4", "oom_kill", &value), 0);
        assert_int_equal(value, 23);
        assert_int_equal(figure_find("oom_kill_group 4\n", "oom_kill", &value), -ENOENT);
        assert_int_equal(figure_find("oom_kill x\n", "oom_kill", &value), -EBADMSG);
}

static void pressure_is_read_as_the_kernel_writes_it(void **state)
{
        static const char *const bad[] = {
                "",
                "some",
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                "some avg10=nan avg60=0.00 avg300=0.00 total=0\n",
                "some avg10=101 avg60=0.00 avg300=0.00 total=0\n",
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=0 more\n",
        };
        struct pressure pressure;

        (void)state;
        assert_int_equal(pressure_parse("some avg10=1.47 avg60=1.30 avg300=0.46 total=141490717\n"
                                        "full avg10=0.98 avg60=0.88 avg300=0.30 total=62305490\n",
                                        &pressure),
                         0);
        assert_float_equal(pressure.some.avg10, 0.0147, 0.000001);
        assert_float_equal(pressure.full.avg60, 0.0088, 0.000001);
        assert_int_equal(pressure.full.total_usec, 62305490);
        /* Of the CPU, before Linux 5.13. */
        assert_int_equal(pressure_parse("some avg10=1.47 avg60=1.30 avg300=0.46 total=1\n", &pressure), 0);
        assert_float_equal(pressure.full.avg10, 0, 0);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(pressure_parse(bad[i], &pressure), -EBADMSG);
}

static void pressure_shows_when_both_averages_are_high_and_goes_with_the_longer(void **state)
{
        static const struct {
                double avg10, avg60;
                enum check_status status;
        } steps[] = {
                { 50, 5, CHECK_OK },   { 5, 50, CHECK_OK }, { 50, 50, CHECK_WARN },
                { 0, 50, CHECK_WARN }, { 0, 9, CHECK_OK },  { 0, 50, CHECK_OK },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                put_pressure(f, "memory", steps[i].avg10, steps[i].avg60);
                assert_int_equal(memory_pressure_start(&f->run), 0);
                assert_int_equal(run_end.result.status, steps[i].status);
        }
}

static void a_busy_cpu_is_measured_and_nothing_more(void **state)
{
        struct fixture *f = *state;
        _cleanup_json_ json_object *metrics = json_object_new_array();

        put_pressure(f, "io", 0, 0);
        put_pressure(f, "cpu", 100, 100);
        assert_int_equal(io_pressure_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_OK);
        assert_int_equal(io_pressure_metrics(&f->node, metrics), 0);
        assert_non_null(strstr(json_object_to_json_string(metrics), "\"cpu\""));
        for (size_t i = 0; i < n_checks; i++)
                assert_null(strstr(checks[i].name, "cpu"));
}

static void a_kernel_without_pressure_information_has_no_such_check(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(memory_pressure_start(&f->run), 0);
        assert_true(run_end.absent);
}

static void no_pressure_and_no_use_of_a_limit_decides_a_condition(void **state)
{
        static const char *const names[] = { "memory-pressure", "io-pressure", "pids",  "open-files",
                                             "conntrack",       "oom",         "clock", "reboot-required" };
        unsigned seen = 0;

        (void)state;
        for (size_t i = 0; i < n_checks; i++)
                for (size_t k = 0; k < ELEMENTS(names); k++)
                        if (strcmp(checks[i].name, names[k]) == 0) {
                                assert_null(checks[i].condition);
                                seen++;
                        }
        assert_int_equal(seen, ELEMENTS(names));
}

static void a_full_connection_table_warns_and_then_fails(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(conntrack_start(&f->run), 0);
        assert_true(run_end.absent); /* the module is not loaded */

        put(f, "/proc/sys/net/netfilter/nf_conntrack_max", "1000\n");
        put(f, "/proc/sys/net/netfilter/nf_conntrack_count", "749\n");
        assert_int_equal(conntrack_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_OK);
        put(f, "/proc/sys/net/netfilter/nf_conntrack_count", "750\n");
        assert_int_equal(conntrack_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_WARN);
        assert_float_equal(run_end.result.threshold, 0.75, 0);
        put(f, "/proc/sys/net/netfilter/nf_conntrack_count", "900\n");
        assert_int_equal(conntrack_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_FAIL);
        assert_string_equal(run_end.result.reason, "ConntrackNearlyFull");
        assert_non_null(strstr(run_end.result.message, "90% of at most 1000"));
}

static void the_lower_limit_of_processes_counts(void **state)
{
        struct fixture *f = *state;

        put(f, "/proc/loadavg", "0.20 0.18 0.12 1/80 11206\n");
        put(f, "/proc/sys/kernel/pid_max", "4194304\n");
        put(f, "/proc/sys/kernel/threads-max", "100\n");
        assert_int_equal(pids_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_WARN);
        assert_float_equal(run_end.result.value, 0.8, 0.0001);
        put(f, "/proc/sys/kernel/threads-max", "4000\n");
        assert_int_equal(pids_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_OK);
        put(f, "/proc/loadavg", "0.20 0.18 0.12 1-80 11206\n");
        assert_int_equal(pids_start(&f->run), -EBADMSG);
}

static void open_files_are_held_against_the_greatest_number(void **state)
{
        struct fixture *f = *state;

        put(f, "/proc/sys/fs/file-nr", "95\t0\t100\n");
        assert_int_equal(open_files_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_FAIL);
        put(f, "/proc/sys/fs/file-nr", "95\t0\t0\n");
        assert_int_equal(open_files_start(&f->run), -EBADMSG);
}

static void kills_before_the_start_are_history_and_later_ones_are_told_for_a_while(void **state)
{
        struct fixture *f = *state;

        put(f, "/proc/vmstat", "oom_kill 3\n");
        assert_int_equal(oom_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_OK);
        put(f, "/proc/vmstat", "oom_kill 4\n");
        assert_int_equal(oom_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_WARN);
        assert_string_equal(run_end.result.reason, "OOMKilled");
        f->node.oom.last_usec -= 11 * USEC_PER_MIN;
        assert_int_equal(oom_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_OK);
}

static void a_kill_among_the_nodes_services_is_told_apart(void **state)
{
        static const char events[] = "/sys/fs/cgroup/system.slice/memory.events";
        struct fixture *f = *state;

        put(f, "/proc/vmstat", "oom_kill 3\n");
        put(f, events, "low 0\noom 0\noom_kill 1\n");
        assert_int_equal(oom_start(&f->run), 0);
        put(f, "/proc/vmstat", "oom_kill 4\n");
        assert_int_equal(oom_start(&f->run), 0);
        assert_string_equal(run_end.result.reason, "OOMKilled");
        put(f, "/proc/vmstat", "oom_kill 5\n");
        put(f, events, "low 0\noom 1\noom_kill 2\n");
        (void)snprintf(f->node.kernel_log.found[kernel_rule_index("oom-kill")].last, KERNEL_TEXT_MAX,
                       "Out of memory: Killed process 99 (etcd)");
        assert_int_equal(oom_start(&f->run), 0);
        assert_string_equal(run_end.result.reason, "NodeServiceOOMKilled");
        assert_non_null(strstr(run_end.result.message, "Killed process 99 (etcd)"));
}

static void a_package_that_asks_for_a_reboot_is_named(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(reboot_required_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_OK);
        put(f, "/run/reboot-required", "*** System restart required ***\n");
        put(f, "/run/reboot-required.pkgs", "linux-image-5.15.0-119-generic\nlibc6\nlibc6\n");
        assert_int_equal(reboot_required_start(&f->run), 0);
        assert_int_equal(run_end.result.status, CHECK_WARN);
        assert_string_equal(run_end.result.reason, "RebootRequired");
        assert_non_null(strstr(run_end.result.message, "(linux-image-5.15.0-119-generic, libc6)"));
}

static void reads_the_figures_of_this_machine(void **state)
{
        struct fixture *f = *state;
        int (*const starts[])(struct check_run * run) = { pids_start,        open_files_start,
                                                          conntrack_start,   memory_pressure_start,
                                                          io_pressure_start, oom_start };

        f->node.root = "/";
        for (size_t i = 0; i < ELEMENTS(starts); i++) {
                assert_int_equal(starts[i](&f->run), 0);
                assert_true(run_end.absent || run_end.result.status != CHECK_UNKNOWN);
        }
}

#define FIGURE_TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(figures_are_read_strictly),
                cmocka_unit_test(a_figure_is_found_by_its_whole_name),
                cmocka_unit_test(pressure_is_read_as_the_kernel_writes_it),
                FIGURE_TEST(pressure_shows_when_both_averages_are_high_and_goes_with_the_longer),
                FIGURE_TEST(a_busy_cpu_is_measured_and_nothing_more),
                FIGURE_TEST(a_kernel_without_pressure_information_has_no_such_check),
                cmocka_unit_test(no_pressure_and_no_use_of_a_limit_decides_a_condition),
                FIGURE_TEST(a_full_connection_table_warns_and_then_fails),
                FIGURE_TEST(the_lower_limit_of_processes_counts),
                FIGURE_TEST(open_files_are_held_against_the_greatest_number),
                FIGURE_TEST(kills_before_the_start_are_history_and_later_ones_are_told_for_a_while),
                FIGURE_TEST(a_kill_among_the_nodes_services_is_told_apart),
                FIGURE_TEST(a_package_that_asks_for_a_reboot_is_named),
                FIGURE_TEST(reads_the_figures_of_this_machine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
