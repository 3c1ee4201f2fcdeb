/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A program that takes one message (exchange-message.h) from its standard input, answers with one, and ends.
 */

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* The message, as exchange_put() writes it to the stream. */
struct exchange_question {
        FILE *stream;
        char *text;
        size_t size;
};

/* Returns 0 or -ENOMEM. exchange_question_file() ends what this began. */
int exchange_question_new(struct exchange_question *question);

/* Ends the question and wipes its text: a key may be in it. Returns the descriptor of a file in memory, which
 * need not be waited for while it is read, or -errno. */
int exchange_question_file(struct exchange_question *question);

/* The caller waits for the process. Returns 0 or -errno. */
int exchange_spawn(const char *path, int in, int out, pid_t *ret);
