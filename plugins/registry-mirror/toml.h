/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* TOML 1.0: containerd's own configuration, which is read, and its hosts.toml, which is written. A text that
 * this takes, both go-toml 1 (containerd 1.6) and go-toml 2 take: where they are of two minds, it is refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cleanup.h"
#include "failure.h"

#define TOML_SIZE_MAX (256 * 1024)

enum toml_kind { TOML_TABLE, TOML_ARRAY, TOML_STRING, TOML_INTEGER, TOML_BOOL, TOML_OTHER };

struct toml_value {
        enum toml_kind kind;
        char *key;  /* in a table */
        char *text; /* a string decoded, other scalars as they were written */
        struct toml_value **items;
        size_t count;
        bool header;    /* a table that has a line of its own: [key] or [[key]] */
        bool dotted;    /* a table that dotted keys made */
        bool closed;    /* an inline table, or an array of values: nothing can be added */
        unsigned depth; /* of the table, below the document */
};

/* Parses a document. Returns 0, -EINVAL with a failure (InvalidTOML: "line 7: what is wrong"), or -ENOMEM. */
int toml_parse(const char *text, size_t size, struct toml_value **ret, struct failure *failure);
struct toml_value *toml_free(struct toml_value *value);
DEFINE_CLEANUP(struct toml_value *, toml_free)

/* The member of a table, or NULL (also when it is no table, or NULL). Borrowed. */
const struct toml_value *toml_get(const struct toml_value *table, const char *key);
/* Likewise the text of a member that is a string. */
const char *toml_string(const struct toml_value *table, const char *key);

/* Adds a string to a table, or puts it in the place of the member of that name. */
int toml_set_string(struct toml_value *table, const char *key, const char *text);
/* The table's member that is a table, made when there is none. Returns 0, -EEXIST when it is none, -ENOMEM.
 */
int toml_make_table(struct toml_value *table, const char *key, struct toml_value **ret);
int toml_copy(const struct toml_value *value, struct toml_value **ret);

/* Writes a basic string, in quotes. */
void toml_write_string(FILE *stream, const char *text);
/* Writes the table under the header [PREFIX], and the tables in it under their own. Returns 0 or -ENOMEM. */
int toml_write_table(FILE *stream, const char *prefix, const struct toml_value *table);
