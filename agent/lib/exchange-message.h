/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a program and the one that it runs for an exchange (exchange-process.h) tell each other: fields of a
 * name and any bytes, as "NAME SIZE\nBYTES\n". */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXCHANGE_MESSAGE_MAX (5 * 1024 * 1024) /* more than any body that is asked for */

/* NULL is left out. */
void exchange_put(FILE *stream, const char *name, const void *value, size_t size);
void exchange_put_text(FILE *stream, const char *name, const char *text);
void exchange_put_number(FILE *stream, const char *name, uint64_t number);

/* Takes one field from the text at *at, which ends at end; both name and value are NUL-terminated in place.
 * Returns 1, 0 at the end, or -EBADMSG. */
int exchange_take(char **at, char *end, char **ret_name, char **ret_value, size_t *ret_size);
