/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads a JSON text without making a tree of it, for what is only passed on: json-c takes 1.6 KB and a dozen
 * allocations for each small object. The text is one that json_scan() has found good; nothing here looks for
 * its faults again.
 *
 * `at` is where reading is: at a value, which each function takes and leaves behind. An object is read so:
 *
 *      if (json_text_enter(&at, '{'))
 *              while (json_text_member(&at, &key))
 *                      ... one of the functions that take a value ... */

#include <stdbool.h>
#include <stddef.h>

/* A piece of text as it is written: a string with its quotes. */
struct json_text {
        const char *at;
        size_t size;
};

/* The first value of a text. */
const char *json_text_begin(const char *text);

/* Takes any value. */
void json_text_skip(const char **at);

/* Enters the object ('{') or array ('[') that is here; false: it is something else, which was taken. */
bool json_text_enter(const char **at, char kind);

/* To the next element, or member's value; false: there is none, and the array or object was taken. */
bool json_text_element(const char **at);
bool json_text_member(const char **at, struct json_text *ret_key);

/* Takes a string. Returns what it stands for, owned by the caller; NULL: no memory. */
char *json_text_string(const char **at);

/* Whether a key stands for that name. */
bool json_text_is(const struct json_text *key, const char *name);
/* What a key stands for, owned by the caller; NULL: no memory. */
char *json_text_name(const struct json_text *key);
