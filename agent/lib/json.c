/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <string.h>

#include "json-scan.h"

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free)

/* Of all objects, as many as json-c kept. The parser bounds the depth. */
static size_t count_keys(json_object *value)
{
        size_t count = 0;

        if (json_object_is_type(value, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        count += count_keys(json_object_array_get_idx(value, i));
        } else if (json_object_is_type(value, json_type_object)) {
                json_object_object_foreach (value, key, member)
                        count += (key != NULL) + count_keys(member);
        }
        return count;
}

int json_parse(const char *text, size_t size, json_object **ret, struct failure *failure)
{
        _cleanup_(json_tokener_freep) struct json_tokener *tokener = NULL;
        _cleanup_json_ json_object *value = NULL;
        enum json_tokener_error error;
        size_t keys;
        int r;

        r = json_scan(text, size, &keys, failure);
        if (r < 0)
                return r;

        /* json-c counts the levels of values, so that a number in the innermost array needs one more. */
        tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);

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
        if (count_keys(value) != keys) {
                r = json_scan_twice(text, size, failure);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(value);
        return 0;
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
