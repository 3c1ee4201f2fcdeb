/* SPDX-License-Identifier: Apache-2.0 */

/* The plugin loop, by the two worked examples in examples/. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "files.h"
#include "program.h"
#include "quantity.h"
#include "report.h"
#include "timestamp.h"

#define CONFIG "etc/capi-node-agent/hello.json"
#define REPORT "run/capi-node-agent/reports/hello.json"

struct node {
        char *root;
        pid_t plugin;
};

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));

        node->root = root_make();
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->plugin > 0)
                assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        root_remove(node->root);
        free(node);
        return 0;
}

static void start(struct node *node)
{
        node->plugin = program_start(HELLO, (const char *const[]){ "--root", node->root, "daemon", NULL });
}

static int run(const struct node *node, const char *command, const char *argument)
{
        return program_wait(
                program_start(HELLO, (const char *const[]){ command, "--root", node->root, argument, NULL }));
}

static struct report *load(const struct node *node, const char *path)
{
        _cleanup_free_ char *text = root_read(node->root, path);
        struct report *report;

        if (!text)
                return NULL;
        assert_int_equal(report_parse(text, strlen(text), &report, NULL), 0);
        return report;
}

struct expectation {
        const struct node *node;
        const char *error, *message; /* parts of them; NULL: none */
};

static bool holds(void *userdata)
{
        const struct expectation *expected = userdata;
        _cleanup_(report_freep) struct report *report = load(expected->node, REPORT);

        if (!report || !report->last_error != !expected->error ||
            (expected->error && !strstr(report->last_error, expected->error)))
                return false;
        return expected->message
                       ? report->n_conditions == 1 && strstr(report->conditions[0].message, expected->message)
                       : report->n_conditions == 0;
}

static void wait_for(const struct node *node, const char *error, const char *message)
{
        wait_until(holds, &(struct expectation){ node, error, message },
                   error     ? error
                   : message ? message
                             : "Disabled");
}

static void applies_reports_and_follows_its_file(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *greeting = NULL;

        root_write(node->root, CONFIG, "{}", 0644);
        start(node);
        wait_for(node, NULL, "Hello");
        report = load(node, REPORT);
        assert_string_equal(report->desired, report->applied);
        assert_int_equal(report->conditions[0].status, CONDITION_TRUE);
        root_write(node->root, CONFIG, "{\"greeting\":\"Moin\"}", 0644);
        wait_for(node, NULL, "Moin");
        greeting = root_read(node->root, "run/greeting");
        assert_string_equal(greeting, "Moin");
}

static void an_invalid_configuration_keeps_the_last_good_one(void **state)
{
        struct node *node = *state;

        root_write(node->root, CONFIG, "{\"greeting\":\"Moin\"}", 0644);
        start(node);
        wait_for(node, NULL, "Moin");
        root_write(node->root, CONFIG, "{\"greting\":\"Hi\"}", 0644);
        wait_for(node, "/greting: unknown key; did you mean \"greeting\"?", "Moin");

        /* Also over a crash: the new process finds the last good one in its state. */
        assert_int_equal(program_stop(node->plugin, SIGKILL), -SIGKILL);
        start(node);
        wait_for(node, "/greting: unknown key", "Moin");
        root_write(node->root, CONFIG, "{\"greeting\":\"Hi\"}", 0644);
        wait_for(node, NULL, "Hi");
}

static void without_a_last_good_one_every_condition_says_why(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;

        root_write(node->root, CONFIG, "{", 0644);
        start(node);
        wait_for(node, "hello.json", "hello.json");
        report = load(node, REPORT);
        assert_int_equal(report->conditions[0].status, CONDITION_UNKNOWN);
        assert_string_equal(report->conditions[0].reason, "InvalidJSON");
        assert_null(report->applied);
        assert_false(root_has(node->root, "run/greeting"));
}

static void a_withdrawn_configuration_is_undone(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;

        root_write(node->root, CONFIG, "{}", 0644);
        start(node);
        wait_for(node, NULL, "Hello");
        assert_true(asprintf(&path, "%s/" CONFIG, node->root) > 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
        wait_for(node, NULL, NULL);
        assert_false(root_has(node->root, "run/greeting"));
        assert_false(root_has(node->root, "var/lib/capi-node-agent/hello/applied"));
}

static void what_was_withdrawn_while_it_was_down_is_undone_at_its_start(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;

        root_write(node->root, CONFIG, "{}", 0644);
        start(node);
        wait_for(node, NULL, "Hello");
        assert_int_equal(program_stop(node->plugin, SIGKILL), -SIGKILL);
        assert_true(asprintf(&path, "%s/" CONFIG, node->root) > 0);
        assert_int_equal(unlink(path), 0);
        assert_true(root_has(node->root, "run/greeting"));
        start(node);
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
        assert_false(root_has(node->root, "run/greeting"));
}

static void a_stop_undoes_nothing(void **state)
{
        struct node *node = *state;

        root_write(node->root, CONFIG, "{}", 0644);
        start(node);
        wait_for(node, NULL, "Hello");
        assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        node->plugin = 0;
        assert_true(root_has(node->root, "run/greeting"));
}

static void a_restart_keeps_the_transition_time(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *before = NULL, *after = NULL;

        root_write(node->root, CONFIG, "{}", 0644);
        start(node);
        wait_for(node, NULL, "Hello");
        before = load(node, REPORT);
        assert_int_equal(program_stop(node->plugin, SIGKILL), -SIGKILL);
        root_write(node->root, CONFIG, "{\"greeting\":\"Moin\"}", 0644);
        start(node);
        wait_for(node, NULL, "Moin");
        after = load(node, REPORT);
        assert_int_equal(after->conditions[0].transition_usec, before->conditions[0].transition_usec);
        assert_true(after->pid != before->pid);
}

static void an_exposed_configuration_is_refused_only_after_it_has_settled(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/" CONFIG, node->root) > 0);
        root_write(node->root, CONFIG, "{}", 0666);
        start(node);
        wait_for(node, "type: chmod go-w", "chmod");
        assert_int_equal(chmod(path, 0644), 0);
        wait_for(node, NULL, "Hello");
}

static void applies_once_for_an_image_and_says_what_it_would_do(void **state)
{
        struct node *node = *state;

        root_write(node->root, CONFIG, "{}", 0644);
        assert_int_equal(run(node, "apply", "--dry-run"), 0);
        assert_false(root_has(node->root, "run/greeting"));
        assert_false(root_has(node->root, "var/lib/capi-node-agent/hello"));
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_true(root_has(node->root, "run/greeting"));
        assert_int_equal(run(node, "undo", NULL), 0);
        assert_false(root_has(node->root, "run/greeting"));
}

static void exit_statuses_tell_usage_from_configuration(void **state)
{
        struct node *node = *state;

        assert_int_equal(run(node, "validate", NULL), 78);
        root_write(node->root, CONFIG, "{}", 0644);
        assert_int_equal(run(node, "validate", NULL), 0);
        root_write(node->root, CONFIG, "{\"greeting\":1}", 0644);
        assert_int_equal(run(node, "validate", NULL), 78);
        assert_int_equal(run(node, "vallidate", NULL), 64);
        assert_int_equal(run(node, "apply", "--force"), 64);
        assert_int_equal(run(node, "status", NULL), 1);
}

/* ---- at rest ---- */

/* What its process runs is in the first word of its command line. */
static bool runs(const struct node *node, const char *name)
{
        _cleanup_free_ char *path = NULL, *line = NULL;
        size_t size;

        assert_true(asprintf(&path, "/proc/%d/cmdline", (int)node->plugin) > 0);
        assert_int_equal(file_read(path, 4096, &line, &size), 0);
        return strstr(line, name) != NULL;
}

static bool is_at_rest(void *userdata)
{
        return runs(userdata, "stand-in");
}

static void start_and_rest(struct node *node)
{
        root_write(node->root, CONFIG, "{}", 0644);
        node->plugin =
                program_start(HELLO_HASTY, (const char *const[]){ "--root", node->root, "daemon", NULL });
        wait_until(is_at_rest, node, "rest");
}

struct renewal {
        const struct node *node;
        uint64_t after_usec;
};

static bool is_renewed(void *userdata)
{
        const struct renewal *renewal = userdata;
        _cleanup_(report_freep) struct report *report = load(renewal->node, REPORT);

        return report && report->generated_usec > renewal->after_usec;
}

static void at_rest_its_report_stays_fresh_and_otherwise_the_same(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *before = NULL, *after = NULL;

        start_and_rest(node);
        before = load(node, REPORT);
        wait_until(is_renewed, &(struct renewal){ node, before->generated_usec }, "a fresh report");
        assert_true(is_at_rest(node));
        after = load(node, REPORT);
        assert_int_equal(after->pid, node->plugin);
        assert_int_equal(after->applied_usec, before->applied_usec);
        assert_string_equal(after->applied, before->applied);
        assert_string_equal(after->conditions[0].message, before->conditions[0].message);
        assert_int_equal(after->conditions[0].transition_usec, before->conditions[0].transition_usec);
}

/* What it says, and ends with its exit status. */
static int run_stand_in(char said[static 256])
{
        int fds[2];
        ssize_t n;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)dup2(fds[1], STDERR_FILENO);
                execl(STAND_IN, "stand-in", NULL);
                _exit(1);
        }
        close(fds[1]);
        n = read(fds[0], said, 255);
        assert_true(n > 0);
        said[n] = '\0';
        close(fds[0]);
        return program_wait(pid);
}

static void run_by_hand_the_stand_in_says_that_it_is_not_for_people(void **state)
{
        char said[256];

        assert_int_equal(run_stand_in(said), 64);
        assert_non_null(strstr(said, "plugins run this while they rest"));
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static bool stands_in_for_long(void *userdata)
{
        struct renewal *renewal = userdata;

        return !is_at_rest((void *)renewal->node) || now_boottime_usec() > renewal->after_usec;
}

/* No timer of the loop itself is left that would. */
static void nothing_ends_its_rest_but_an_event(void **state)
{
        struct node *node = *state;

        start_and_rest(node);
        wait_until(stands_in_for_long, &(struct renewal){ node, now_boottime_usec() + 12 * USEC_PER_SEC },
                   "twelve seconds");
        assert_true(is_at_rest(node));
}

static void a_change_ends_its_rest_and_a_new_one_follows(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *before = NULL, *after = NULL;
        _cleanup_free_ char *greeting = NULL;

        start_and_rest(node);
        before = load(node, REPORT);
        root_write(node->root, CONFIG, "{\"greeting\":\"Moin\"}", 0644);
        wait_for(node, NULL, "Moin");
        greeting = root_read(node->root, "run/greeting");
        assert_string_equal(greeting, "Moin");
        wait_until(is_at_rest, node, "another rest");
        after = load(node, REPORT);
        assert_int_equal(after->pid, before->pid);
        assert_int_equal(after->conditions[0].transition_usec, before->conditions[0].transition_usec);
        assert_true(after->applied_usec > before->applied_usec);
}

static void what_is_withdrawn_during_its_rest_is_undone(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;

        start_and_rest(node);
        assert_true(asprintf(&path, "%s/" CONFIG, node->root) > 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
        assert_false(root_has(node->root, "run/greeting"));
}

static bool has_shell_report(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_(report_freep) struct report *report = load(node, "run/capi-node-agent/reports/shell.json");

        return report && report->n_conditions == 1 && strcmp(report->conditions[0].type, "HostNamed") == 0;
}

static void ten_lines_of_shell_are_a_plugin(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *reports = NULL;
        pid_t shell;

        assert_true(asprintf(&reports, "%s/run/capi-node-agent/reports", node->root) > 0);
        shell = program_start(HELLO_SHELL, (const char *const[]){ reports, NULL });
        wait_until(has_shell_report, node, "the report of hello.sh");
        assert_int_equal(program_stop(shell, SIGTERM), -SIGTERM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_node, remove_node)
        const struct CMUnitTest tests[] = {
                TEST(applies_reports_and_follows_its_file),
                TEST(an_invalid_configuration_keeps_the_last_good_one),
                TEST(without_a_last_good_one_every_condition_says_why),
                TEST(a_withdrawn_configuration_is_undone),
                TEST(what_was_withdrawn_while_it_was_down_is_undone_at_its_start),
                TEST(a_stop_undoes_nothing),
                TEST(a_restart_keeps_the_transition_time),
                TEST(an_exposed_configuration_is_refused_only_after_it_has_settled),
                TEST(applies_once_for_an_image_and_says_what_it_would_do),
                TEST(exit_statuses_tell_usage_from_configuration),
                TEST(at_rest_its_report_stays_fresh_and_otherwise_the_same),
                TEST(run_by_hand_the_stand_in_says_that_it_is_not_for_people),
                TEST(nothing_ends_its_rest_but_an_event),
                TEST(a_change_ends_its_rest_and_a_new_one_follows),
                TEST(what_is_withdrawn_during_its_rest_is_undone),
                TEST(ten_lines_of_shell_are_a_plugin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
