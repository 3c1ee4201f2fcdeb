/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "calendar.h"
#include "cleanup.h"

static void takes_what_people_write(void **state)
{
        static const char *const good[] = { "daily",
                                            "Weekly",
                                            "hourly UTC",
                                            "*-*-* 00/2:00:00",
                                            "*-*-* 02:30:00",
                                            "*:0/10",
                                            "Sun *-*-* 03:00:00",
                                            "Mon..Fri 22:30",
                                            "Mon,Wed,Sat..Sun 1,13:05",
                                            "*-*-1,15 04:00",
                                            "12:00 Europe/Berlin",
                                            "2026-12-24",
                                            "12-24 18:00 UTC",
                                            "*-1..6-1/7 8..18/2:0/15:30",
                                            "Thursday" };

        for (size_t i = 0; i < ELEMENTS(good); i++)
                if (calendar_check(good[i]) < 0)
                        fail_msg("refused: %s", good[i]);
}

static void refuses_what_systemd_would_refuse(void **state)
{
        static const char *const bad[] = { "",
                                           "5",
                                           "5m",
                                           "every day",
                                           "*-*-* 99:00:00",
                                           "*-*-* 24:00",
                                           "*-13-* 00:00",
                                           "*-*-32",
                                           "*-0-1",
                                           "12:60",
                                           "12:00:60",
                                           "*:*/5",
                                           "*:50/20",
                                           "8..7:00",
                                           "Mon..",
                                           "Fri..Mon",
                                           "Mond 12:00",
                                           "12:00 ",
                                           " 12:00",
                                           "12:00 Nowhere/Land",
                                           "12:00 ../../etc/passwd",
                                           "*-*-* 00:00:00;",
                                           "0/0:00" };

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (calendar_check(bad[i]) == 0)
                        fail_msg("taken: %s", bad[i]);
}

static bool systemd_takes(const char *text)
{
        char *argv[] = { (char *)"systemd-analyze", (char *)"calendar", (char *)text, NULL };
        posix_spawn_file_actions_t quiet;
        int status;
        pid_t pid;

        posix_spawn_file_actions_init(&quiet);
        posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        assert_int_equal(posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&quiet);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static const char *pick(const char *const *from, size_t n)
{
        return from[(size_t)random() % n];
}

/* Texts of the right shape with numbers in and out of range: whatever we take, the real systemd takes. */
static void never_takes_what_the_real_systemd_refuses(void **state)
{
        static const char *const days[] = { "",          "",          "Mon ",        "Sat,Sun ",
                                            "Tue..Thu ", "Sun..Mon ", "Monday,Fri.." };
        static const char *const parts[] = { "*",     "0",      "1",      "2..5", "7/3",  "12",   "23",
                                             "24",    "31",     "59",     "60",   "1,30", "5..3", "0/2",
                                             "10/55", "2..9/3", "2..9/8", "",     "*/5",  "1..",  "007" };
        static const char *const ends[] = { "", "", " UTC", ":30", ":60", ":0/7", " X" };
        char text[256];
        unsigned taken = 0;

        srandom(1);
        for (int i = 0; i < 4000 && taken < 250; i++) {
                const char *dash = random() % 8 ? "-" : "~"; /* which we leave to systemd */

                if (random() % 3 == 0)
                        (void)snprintf(text, sizeof(text), "%s%s:%s%s", pick(days, ELEMENTS(days)),
                                       pick(parts, ELEMENTS(parts)), pick(parts, ELEMENTS(parts)),
                                       pick(ends, ELEMENTS(ends)));
                else
                        (void)snprintf(text, sizeof(text), "%s%s%s%s%s %s:%s%s", pick(days, ELEMENTS(days)),
                                       random() % 2 ? "*-" : "", pick(parts, ELEMENTS(parts)), dash,
                                       pick(parts, ELEMENTS(parts)), pick(parts, ELEMENTS(parts)),
                                       pick(parts, ELEMENTS(parts)), pick(ends, ELEMENTS(ends)));
                if (calendar_check(text) < 0)
                        continue;
                taken++;
                if (!systemd_takes(text))
                        fail_msg("systemd refuses: %s", text);
        }
        assert_true(taken >= 100);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_what_people_write),
                cmocka_unit_test(refuses_what_systemd_would_refuse),
                cmocka_unit_test(never_takes_what_the_real_systemd_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
