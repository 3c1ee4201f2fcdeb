/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The lines in which a configuration is refused: where, what was found, what is allowed. Part of config.c. */

#include <json-c/json.h>
#include <stddef.h>

#include "cleanup.h"
#include "config.h"
#include "failure.h"

/* A value's place in the document, as a chain of stack frames up to the top (NULL). */
struct place {
        const struct place *parent;
        const char *name; /* key in an object; NULL: element number index of a list */
        size_t index;
};

/* The JSON pointer (RFC 6901), cut when it does not fit; "" for the top. What garbles a line is escaped. */
#define POINTER_SIZE 1024
char *place_pointer(const struct place *place, char buffer[static POINTER_SIZE]);

/* A string in quotes, escaped and shortened; of a URL with a password, of a PEM text and of an identity of
 * age, only what is not secret. */
#define SHOWN_SIZE 512
char *show_string(const char *value, char buffer[static SHOWN_SIZE]);

/* What kind of value it is and, if short, which: `number 5`, `string "x"`, `a list`. */
char *show_value(json_object *value, char buffer[static SHOWN_SIZE]);

/* Sets the failure InvalidConfiguration to "POINTER: text" and returns -EINVAL. */
int refuse_at_place(struct failure *failure, const struct place *place, const char *format, ...)
        _printf_(3, 4);

/* What follows the refusal of a string that a template engine should have replaced, or "". */
const char *template_hint(const char *value);

/* "found VALUE; expected EXPECTED", with what the key's check asks for. */
int refuse_kind(const struct config_key *key, json_object *value, const struct place *place,
                const char *expected, struct failure *failure);

/* "WHAT; did you mean "NEAREST"? (allowed: a, b)" for a key or the word of an enumeration. */
int refuse_unknown(const struct place *place, const char *what, const char *word, const char *const *names,
                   size_t n_names, struct failure *failure);

/* Holds a number of "bytes" or "elements" against the key's bounds. Returns 0, or -EINVAL with a failure. */
int check_count(const struct config_key *key, size_t count, const char *what, const struct place *place,
                struct failure *failure);
