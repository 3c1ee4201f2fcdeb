/* SPDX-License-Identifier: Apache-2.0 */

#include "terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "files.h"
#include "program.h"

#define ARGUMENTS_MAX 16

void terminal_start(struct terminal *terminal, const char *program, const char *const *arguments)
{
        struct winsize size = { .ws_row = 24, .ws_col = 100 };
        const char *argv[ARGUMENTS_MAX] = { program };

        for (size_t i = 0; arguments[i]; i++) {
                assert_true(i + 2 < ARGUMENTS_MAX);
                argv[i + 1] = arguments[i];
        }
        terminal->used = 0;
        terminal->text[0] = '\0';
        terminal->pid = forkpty(&terminal->master, NULL, NULL, &size);
        assert_true(terminal->pid >= 0);
        if (terminal->pid == 0) {
                execv(program, (char *const *)argv);
                _exit(127);
        }
}

/* False at the end. */
static bool read_more(struct terminal *terminal, const char *wanted)
{
        struct pollfd pollfd = { .fd = terminal->master, .events = POLLIN };
        ssize_t n;

        assert_true(terminal->used < sizeof(terminal->text) - 1);
        if (poll(&pollfd, 1, DEADLINE_SECONDS * 1000) != 1)
                fail_msg("waited for \"%s\", and there is: %s", wanted, terminal->text);
        n = read(terminal->master, terminal->text + terminal->used,
                 sizeof(terminal->text) - 1 - terminal->used);
        if (n <= 0) /* EIO: nobody holds the other end */
                return false;
        terminal->used += (size_t)n;
        terminal->text[terminal->used] = '\0';
        return true;
}

void terminal_expect(struct terminal *terminal, const char *text)
{
        while (!strstr(terminal->text, text))
                if (!read_more(terminal, text))
                        fail_msg("it ended without \"%s\": %s", text, terminal->text);
}

bool terminal_echoes(const struct terminal *terminal)
{
        struct termios termios;

        assert_int_equal(tcgetattr(terminal->master, &termios), 0);
        return termios.c_lflag & ECHO;
}

void terminal_type(struct terminal *terminal, const char *line)
{
        assert_int_equal(write_all(terminal->master, line, strlen(line)), 0);
}

int terminal_end(struct terminal *terminal)
{
        while (read_more(terminal, "its end"))
                ;
        close(terminal->master);
        return program_wait(terminal->pid);
}
