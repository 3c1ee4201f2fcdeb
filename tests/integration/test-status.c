/* SPDX-License-Identifier: Apache-2.0 */

/* `capi-node status` as a person has it on a terminal, with nothing running but itself. What the screen says
 * of a document is in tests/unit/test-status-screen.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "files.h"
#include "program.h"
#include "terminal.h"
#include "timestamp.h"

#define CLEAR "\033[H\033[J"

struct world {
        char *root;
        struct terminal terminal;
};

static int make_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->root = root_make();
        *state = world;
        return 0;
}

static int remove_world(void **state)
{
        struct world *world = *state;

        root_remove(world->root);
        free(world);
        return 0;
}

static void write_document(const struct world *world, int sequence, const char *status, const char *condition)
{
        _cleanup_free_ char *text = NULL, *path = path_under(world->root, "/run/capi-node-agent/health.json");
        char now[TIMESTAMP_SIZE];

        (void)timestamp_format(now_realtime_usec(), now);
        assert_true(asprintf(&text,
                             "{\"apiVersion\":\"capi-node-agent/v1\",\"node\":\"cp-0\",\"hostname\":\"cp-0\","
                             "\"bootId\":\"%s\",\"agentVersion\":\"0.1.0\",\"generatedAt\":\"%s\","
                             "\"validFor\":\"1m\",\"sequence\": %d,\"status\":\"%s\",\"phase\":\"Joined\","
                             "\"conditions\":[{\"type\":\"WeatherFair\",\"status\":\"%s\",\"reason\":\"Sky\","
                             "\"message\":\"take an umbrella\",\"severity\":\"Fatal\",\"healthy\":%s,"
                             "\"lastTransitionTime\":\"%s\"}]}\n",
                             boot_id(), now, sequence, status, condition,
                             strcmp(condition, "True") == 0 ? "true" : "false", now) > 0);
        assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

static void start_status(struct world *world, const char *option, const char *other)
{
        const char *arguments[] = { "status", "--root", world->root, option, other, NULL };

        terminal_start(&world->terminal, CLI, arguments);
}

static void end_by_hand(struct world *world)
{
        int status;

        terminal_type(&world->terminal, "\003"); /* Ctrl-C */
        assert_int_equal(waitpid(world->terminal.pid, &status, 0), world->terminal.pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

static void watching_shows_each_change_on_a_screen_of_its_own(void **state)
{
        struct world *world = *state;

        write_document(world, 1, "Healthy", "True");
        start_status(world, "--watch", NULL);
        terminal_expect(&world->terminal, CLEAR);
        terminal_expect(&world->terminal, " (Joined)  ");
        terminal_expect(&world->terminal, "Healthy");
        write_document(world, 2, "Unhealthy", "False");
        terminal_expect(&world->terminal, "take an umbrella");
        assert_non_null(strstr(strstr(world->terminal.text, CLEAR) + 1, CLEAR));
        end_by_hand(world);
}

static void watching_for_a_program_prints_each_document_and_nothing_else(void **state)
{
        struct world *world = *state;

        write_document(world, 1, "Healthy", "True");
        start_status(world, "--watch", "--json");
        terminal_expect(&world->terminal, "\"sequence\": 1,");
        write_document(world, 2, "Healthy", "True");
        terminal_expect(&world->terminal, "\"sequence\": 2,");
        assert_null(strchr(world->terminal.text, '\033'));
        end_by_hand(world);
}

static void with_everything_else_down_it_tells_what_the_plugins_said_last(void **state)
{
        struct world *world = *state;

        root_write(
                world->root, "run/capi-node-agent/reports/weather.json",
                "{\"apiVersion\":\"capi-node-agent/v1\",\"plugin\":\"weather\",\"version\":\"1\",\"pid\":1,"
                "\"bootId\":\"b\",\"generatedAt\":\"2026-11-21T10:00:00Z\",\"validFor\":\"2m\",\"config\":{},"
                "\"conditions\":[{\"type\":\"WeatherFair\",\"status\":\"False\",\"reason\":\"Rain\","
                "\"message\":\"take an umbrella\",\"severity\":\"Fatal\",\"healthy\":false,"
                "\"lastTransitionTime\":\"2026-11-21T09:00:00Z\"}]}",
                0644);
        root_write(world->root, "run/capi-node-agent/reports/broken.json", "{", 0644);
        start_status(world, NULL, NULL);
        assert_int_equal(terminal_end(&world->terminal), 1);
        assert_non_null(strstr(world->terminal.text, "The agent has not reported"));
        assert_non_null(strstr(world->terminal.text, "WeatherFair"));
        assert_non_null(strstr(world->terminal.text, "take an umbrella"));
        assert_non_null(strstr(world->terminal.text, "broken.json"));
}

#define PROMISE(promise) cmocka_unit_test_setup_teardown(promise, make_world, remove_world)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(watching_shows_each_change_on_a_screen_of_its_own),
                PROMISE(watching_for_a_program_prints_each_document_and_nothing_else),
                PROMISE(with_everything_else_down_it_tells_what_the_plugins_said_last),
        };

        (void)signal(SIGINT, SIG_DFL); /* a shell lets what runs in its background ignore it */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
