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

static const struct command commands[] = { { "go", "[THERE]", go, "Go", "prog go home" },
                                           { "stay", "", go, "Stay" },
                                           {} };
static const struct command *const tables[] = { commands, NULL };

static char said[512]; /* on standard output */

static int run(const char *first, const char *second, int *ret_argc)
{
        char *argv[] = { (char *)first, (char *)second, NULL };

        int status, out = dup(STDOUT_FILENO), file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        /* The help is not TAP. */
        fflush(stdout);
        assert_true(out >= 0 && dup2(file, STDOUT_FILENO) >= 0);
        status = command_run(&program, tables, first ? second ? 2 : 1 : 0, argv, ret_argc);
        fflush(stdout);
        assert_true(dup2(out, STDOUT_FILENO) >= 0);
        memset(said, 0, sizeof(said));
        assert_true(pread(file, said, sizeof(said) - 1, 0) >= 0);
        close(out);
        close(file);
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

static void a_command_says_its_own_help_with_an_example_and_does_not_run(void **state)
{
        static const char *const words[] = { "--help", "-h" };
        int argc = 0;

        for (size_t i = 0; i < ELEMENTS(words); i++) {
                assert_int_equal(run("go", words[i], &argc), EXIT_GOOD);
                assert_non_null(strstr(said, "prog go - Go\n\nUsage: prog go [THERE]\n"));
                assert_non_null(strstr(said, "Example:\n  prog go home\n"));
        }
        assert_int_equal(run("help", "stay", &argc), EXIT_GOOD);
        assert_non_null(strstr(said, "Usage: prog stay\n"));
        assert_non_null(strstr(said, "Example:\n  prog stay\n"));
        assert_int_equal(run("help", NULL, &argc), EXIT_GOOD);
        assert_non_null(strstr(said, "COMMAND"));
        assert_int_equal(run("help", "sty", &argc), EXIT_USAGE);
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
                cmocka_unit_test(a_command_says_its_own_help_with_an_example_and_does_not_run),
                cmocka_unit_test(the_nearest_name_is_near),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
