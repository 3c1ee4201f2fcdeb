/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The words of TOML: blanks, comments, keys, scalars. Part of toml.c. */

#include "toml.h"

#define TOML_DEPTH_MAX 32

struct toml_scanner {
        const char *at, *end;
        unsigned line;
        struct failure *failure;
};

/* Sets the failure InvalidTOML, "line N: WHAT", and returns -EINVAL. */
int toml_refuse(struct toml_scanner *scanner, const char *what);

bool toml_take(struct toml_scanner *scanner, char c); /* this character, if it is next */
void toml_skip_blanks(struct toml_scanner *scanner);  /* in a line */
int toml_skip_lines(struct toml_scanner *scanner);    /* blanks, comments, ends of lines */
int toml_end_line(struct toml_scanner *scanner);      /* nothing but a comment may follow */

/* One part of a key, owned by the caller. */
int toml_scan_key(struct toml_scanner *scanner, char **ret);

/* A string (decoded), number, boolean or date (as written); the text is owned by the caller. */
int toml_scan_scalar(struct toml_scanner *scanner, enum toml_kind *ret_kind, char **ret_text);
