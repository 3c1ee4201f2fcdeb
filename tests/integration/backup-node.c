/* SPDX-License-Identifier: Apache-2.0 */

#include "backup-node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configuration.h"
#include "last-run.h"
#include "program.h"
#include "report.h"

char *root;
struct etcd member;

static pid_t resident;

char *under(const char *path)
{
        char *joined;

        assert_true(asprintf(&joined, "%s/%s", root, path) > 0);
        return joined;
}

void configure_endpoint(const char *endpoint)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\" },\n"
                             "  \"targets\": [ { \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\",\n"
                             "                 \"retention\": { \"keepLast\": 3 } } ] }\n",
                             endpoint) > 0);
        root_write(root, CONFIG, text, 0600);
}

void configure_port(unsigned port)
{
        char endpoint[64];

        (void)snprintf(endpoint, sizeof(endpoint), "https://127.0.0.1:%u", port);
        configure_endpoint(endpoint);
}

void backup_node_use(const char *suite, unsigned mib, bool tls)
{
        if (member.pid > 0)
                etcd_stop(&member, SIGKILL);
        assert_true(shell("rm -rf var/lib/etcd"));
        etcd_start_of(suite, &member, root, tls);
        etcd_put(&member, "greeting", "hello", 5);
        if (mib > 0)
                etcd_put_many(&member, "filling", mib, 1024 * 1024);
}

int backup_node_set_up(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        root = root_make();
        etcd_make_pki(root);
        backup_node_use(NULL, 24, true);
        return 0;
}

int backup_node_tear_down(void **state)
{
        etcd_stop(&member, SIGTERM);
        root_remove(root);
        return 0;
}

int backup_node_reset(void **state)
{
        _cleanup_free_ char *state_dir = under(STATE), *command = NULL;

        assert_true(asprintf(&command, "rm -rf %s", state_dir) > 0);
        assert_int_equal(system(command), 0);
        configure_endpoint(member.endpoint);
        return 0;
}

bool shell(const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *command = NULL;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&text, format, ap) > 0);
        va_end(ap);
        assert_true(asprintf(&command, "cd %s && { set -e; %s; }", root, text) > 0);
        return system(command) == 0;
}

pid_t start_snapshot(const char *option)
{
        return program_start(ETCD_SNAPSHOT, (const char *[]){ "--root", root, option, NULL });
}

int take_snapshot(void)
{
        return program_wait(start_snapshot(NULL));
}

int take_snapshot_at(const char *shift)
{
        int status;

        print_message("# the clock is off by %s s\n", shift);
        assert_int_equal(setenv("CLOCK_SHIFT", shift, 1), 0);
        assert_int_equal(setenv("LD_PRELOAD", SHIFTED_CLOCK, 1), 0);
        status = take_snapshot();
        unsetenv("LD_PRELOAD");
        return status;
}

struct copies load_copies(void)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS);
        char node[NODE_NAME_SIZE];
        struct copies copies;

        assert_int_equal(copies_load(directory, CLUSTER, node_name(node), &copies), 0);
        return copies;
}

void assert_only_whole_copies(size_t n)
{
        _cleanup_free_ char *directory = under(SNAPSHOTS);
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        _cleanup_copies_ copies = load_copies();
        size_t files = 0;

        assert_int_equal(copies.count, n);
        for (size_t i = 0; i < copies.count; i++)
                assert_true(copies.items[i].whole);
        while (dir && readdir(dir))
                files++;
        assert_int_equal(dir ? files - 2 : 0, 2 * n);
}

void assert_last_run(const char *reason)
{
        _cleanup_free_ char *state_dir = under(STATE);
        _cleanup_last_run_ run = {};

        assert_int_equal(last_run_load(state_dir, &run), 0);
        assert_string_equal(run.reason, reason);
        assert_int_equal(run.success, strcmp(reason, "VerifiedCopyTaken") == 0);
}

int run_plugin(const char *command, const char *option)
{
        return program_wait(
                program_start(ETCD_BACKUP, (const char *[]){ "--root", root, command, option, NULL }));
}

pid_t start_daemon(void)
{
        resident = program_start(ETCD_BACKUP, (const char *[]){ "--root", root, "daemon", NULL });
        return resident;
}

int stop_daemon(int signal)
{
        pid_t pid = resident;

        resident = 0;
        return pid > 0 ? program_stop(pid, signal) : 0;
}

struct expectation {
        enum condition_status status;
        const char *reason; /* NULL: a message with these */
        const char *words;
};

static bool is_as_expected(const struct condition *condition, const struct expectation *expectation)
{
        if (!expectation->reason)
                return strstr(condition->message, expectation->words) != NULL;
        return condition->status == expectation->status &&
               strcmp(condition->reason, expectation->reason) == 0;
}

static bool is_reported(void *userdata)
{
        const struct expectation *expectation = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = under(REPORT);

        if (report_load(path, &report, NULL) < 0 || report->pid != resident)
                return false;
        for (size_t i = 0; i < report->n_conditions; i++)
                if (is_as_expected(&report->conditions[i], expectation))
                        return true;
        return false;
}

void wait_for_condition(enum condition_status status, const char *reason)
{
        wait_until(is_reported, &(struct expectation){ .status = status, .reason = reason }, reason);
}

void wait_for_message(const char *words)
{
        wait_until(is_reported, &(struct expectation){ .words = words }, words);
}
