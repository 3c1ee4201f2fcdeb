/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "command.h"

static const struct program program = { .name = "prog", .summary = "test", .example = "prog go" };

static int go(int argc, char *argv[], void *userdata)
{
        *(int *)userdata = argc;
        return EXIT_UNHEALTHY;
}

static const struct command commands[] = { { "go", "", go, "Go" }, {} };
static const struct command *const tables[] = { commands, NULL };

static int run(const char *first, const char *second, int *ret_argc)
{
        char *argv[] = { (char *)first, (char *)second, NULL };

        int status, out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        /* The help is not TAP. */
        fflush(stdout);
        assert_true(out >= 0 && dup2(null, STDOUT_FILENO) >= 0);
        status = command_run(&program, tables, first ? second ? 2 : 1 : 0, argv, ret_argc);
        fflush(stdout);
        assert_true(dup2(out, STDOUT_FILENO) >= 0);
        close(out);
        close(null);
        return status;
}

static void runs_the_command_and_returns_its_status(void **state)
{
        int argc = 0;

        assert_int_equal(run("go", "x", &argc), EXIT_UNHEALTHY);
        assert_int_equal(argc, 2);
}

static void help_is_good_and_nothing_is_a_usage_error(void **state)
{
        int argc = 0;

        assert_int_equal(run("--help", NULL, &argc), EXIT_GOOD);
        assert_int_equal(run("--version", NULL, &argc), EXIT_GOOD);
        assert_int_equal(run(NULL, NULL, &argc), EXIT_USAGE);
        assert_int_equal(run("gone", NULL, &argc), EXIT_USAGE);
        assert_int_equal(argc, 0);
}

static void the_nearest_name_is_near(void **state)
{
        static const char *const names[] = { "snapshot", "list", "verify", "keepLast" };

        assert_string_equal(nearest_name("snapshto", names, 4), "snapshot");
        assert_string_equal(nearest_name("keepLst", names, 4), "keepLast");
        assert_null(nearest_name("completely-else", names, 4));
        assert_null(nearest_name("x", names, 0));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_the_command_and_returns_its_status),
                cmocka_unit_test(help_is_good_and_nothing_is_a_usage_error),
                cmocka_unit_test(the_nearest_name_is_near),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
