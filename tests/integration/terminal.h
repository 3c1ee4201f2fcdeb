/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A program that a person runs on a terminal (a pty of 24 lines of 100 columns). Failures fail the test. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct terminal {
        pid_t pid;
        int master;
        size_t used;
        char text[256 * 1024]; /* what was on it, typed or written */
};

/* arguments end with NULL. */
void terminal_start(struct terminal *terminal, const char *program, const char *const *arguments);
/* Reads until the text has been written, with the deadline of wait_until. */
void terminal_expect(struct terminal *terminal, const char *text);
bool terminal_echoes(const struct terminal *terminal);
void terminal_type(struct terminal *terminal, const char *line);
/* Reads to the program's end. Returns its exit status. */
int terminal_end(struct terminal *terminal);
