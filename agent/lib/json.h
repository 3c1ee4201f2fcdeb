/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* json-c with the strictness that it lacks (RFC 8259: one value, no comments, UTF-8; and no key twice), and
 * short ways to build and read objects. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"
#include "json-text.h"

static inline void json_putp(json_object **object)
{
        json_object_put(*object);
}
#define _cleanup_json_ _cleanup_(json_putp)

#define JSON_DEPTH_MAX 32

/* Parses one JSON value; null is *ret NULL. Returns -EINVAL with a failure (InvalidJSON) that says
 * "LINE:COLUMN: what is wrong", or -ENOMEM. Keys and strings of the value have no NUL. */
int json_parse(const char *text, size_t size, json_object **ret, struct failure *failure);

/* A member of an object, to be told as text. The list ends with the key NULL. */
struct json_part {
        const char *key;
        struct json_text value; /* in the text that was parsed; stays as it is when there is no such member */
};

/* json_parse() of an object without those members, which are good JSON, too. What is no object has none. */
int json_parse_parts(const char *text, size_t size, struct json_part *parts, json_object **ret,
                     struct failure *failure);

/* Reading: NULL, false or the fallback when the key is absent or of another type. Borrowed from the object.
 */
const char *json_string(json_object *object, const char *key);
json_object *json_member(json_object *object, const char *key, json_type type);
int64_t json_integer(json_object *object, const char *key, int64_t fallback);

/* Building: sets key to a new value; value NULL becomes null. Returns 0 or -ENOMEM. */
int json_set_string(json_object *object, const char *key, const char *value);
int json_set_integer(json_object *object, const char *key, int64_t value);
int json_set_double(json_object *object, const char *key, double value);
int json_set_bool(json_object *object, const char *key, bool value);
/* Takes the value over, also on failure (and when value is NULL: that counts as -ENOMEM). */
int json_set(json_object *object, const char *key, json_object *value);
int json_append(json_object *array, json_object *value);
