/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file of headers, one "Name: value" in a line; empty lines and those that begin with # do not count. */

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

#define HEADERS_MAX           32
#define HEADERS_FILE_SIZE_MAX (64 * 1024)

struct mirror_header {
        char *name;  /* as Go writes it: "X-Auth-Token" */
        char *value; /* a secret */
};

/* Returns 0, -EINVAL with a failure (InvalidHeaders) that names path and line and never the value, or
 * -ENOMEM. */
int headers_parse(const char *path, const char *text, size_t size, struct mirror_header **ret,
                  size_t *ret_count, struct failure *failure);

void headers_free(struct mirror_header *headers, size_t count); /* zeroes the values */

/* Appends "NAME: VALUE" to a list of lines that NULL ends and that has room for it. Returns 0 or -ENOMEM. */
int header_line_add(char *lines[], const char *name, const char *value);

void header_lines_clear(char *lines[]); /* zeroes them */
