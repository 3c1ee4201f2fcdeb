/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Names of the management side and the addresses that they last resolved to: those are kept when a name
 * server does not answer, and over restarts. */

#include <stddef.h>

#include "json.h"
#include "list.h"

struct name {
        char *name;
        struct cidr *addresses;
        size_t count;
};

struct names {
        struct name *items;
        size_t count;
};

/* The entry of that name, or NULL. */
const struct name *names_find(const struct names *names, const char *name);

/* Takes the lines "NAME ADDRESS" of a look-up: a name with at least one address gets these instead of those
 * that it had. Returns 1 when something changed, 0, or -errno. */
int names_take(struct names *names, const char *lines);
void names_clear(struct names *names);

/* What a look-up prints for these names; blocks, for a child process. */
void names_look_up(const char *const *names, size_t n, int fd);

/* { NAME: [ADDRESS…] } */
int names_write(const struct names *names, json_object **ret);
int names_read(json_object *object, struct names *ret);
