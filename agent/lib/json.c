/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <string.h>

#include "json-scan.h"

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free)

/* Of a text that was scanned. */
static int make_tree(const char *text, size_t size, json_object **ret, struct failure *failure)
{
        /* json-c counts the levels of values, so that a number in the innermost array needs one more. */
        _cleanup_(json_tokener_freep) struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        _cleanup_json_ json_object *value = NULL;
        enum json_tokener_error error;

        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);

        value = json_tokener_parse_ex(tokener, text, (int)size);
        error = json_tokener_get_error(tokener);
        if (error == json_tokener_continue) {
                /* A number at the very end: only a further character says that it is complete. */
                value = json_tokener_parse_ex(tokener, " ", 1);
                error = json_tokener_get_error(tokener);
        }
        if (error != json_tokener_success)
                return failure_set(failure, -EINVAL, "InvalidJSON", "1:1: %s",
                                   json_tokener_error_desc(error));
        *ret = TAKE_PTR(value);
        return 0;
}

int json_parse(const char *text, size_t size, json_object **ret, struct failure *failure)
{
        int r = json_scan(text, size, failure);

        return r < 0 ? r : make_tree(text, size, ret, failure);
}

static struct json_part *find_part(struct json_part *parts, const struct json_text *key)
{
        for (; parts->key; parts++)
                if (json_text_is(key, parts->key))
                        return parts;
        return NULL;
}

/* Writes the object without the parts to rest, which has room for all of it. Returns the size. */
static size_t leave_parts(const char *at, struct json_part *parts, char *rest)
{
        struct json_text key;
        char *end = rest;

        *end++ = '{';
        json_text_enter(&at, '{');
        while (json_text_member(&at, &key)) {
                struct json_part *part = find_part(parts, &key);
                const char *value = at;

                json_text_skip(&at);
                if (part) {
                        part->value = (struct json_text){ value, (size_t)(at - value) };
                        continue;
                }
                if (end > rest + 1)
                        *end++ = ',';
                end = mempcpy(end, key.at, (size_t)(at - key.at));
        }
        *end++ = '}';
        return (size_t)(end - rest);
}

int json_parse_parts(const char *text, size_t size, struct json_part *parts, json_object **ret,
                     struct failure *failure)
{
        _cleanup_free_ char *rest = NULL;
        const char *value;
        int r;

        r = json_scan(text, size, failure);
        if (r < 0)
                return r;
        value = json_text_begin(text);
        if (*value != '{')
                return make_tree(text, size, ret, failure);
        rest = malloc(size);
        if (!rest)
                return -ENOMEM;
        return make_tree(rest, leave_parts(value, parts, rest), ret, failure);
}

json_object *json_member(json_object *object, const char *key, json_type type)
{
        json_object *value;

        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
                return NULL;
        return value;
}

const char *json_string(json_object *object, const char *key)
{
        json_object *value = json_member(object, key, json_type_string);

        return value ? json_object_get_string(value) : NULL;
}

int64_t json_integer(json_object *object, const char *key, int64_t fallback)
{
        json_object *value = json_member(object, key, json_type_int);

        return value ? json_object_get_int64(value) : fallback;
}

int json_set(json_object *object, const char *key, json_object *value)
{
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_append(json_object *array, json_object *value)
{
        if (!value)
                return -ENOMEM;
        if (json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_set_string(json_object *object, const char *key, const char *value)
{
        if (!value)
                return json_object_object_add(object, key, NULL) < 0 ? -ENOMEM : 0;
        return json_set(object, key, json_object_new_string(value));
}

int json_set_integer(json_object *object, const char *key, int64_t value)
{
        return json_set(object, key, json_object_new_int64(value));
}

int json_set_double(json_object *object, const char *key, double value)
{
        return json_set(object, key, json_object_new_double(value));
}

int json_set_bool(json_object *object, const char *key, bool value)
{
        return json_set(object, key, json_object_new_boolean(value));
}
