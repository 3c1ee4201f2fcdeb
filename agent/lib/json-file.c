/* SPDX-License-Identifier: Apache-2.0 */

#include "json-file.h"

#include <string.h>

#include "files.h"

int json_load(const char *path, size_t max, json_object **ret)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(path, max, &text, &size);
        if (r < 0)
                return r;
        r = json_parse(text, size, &object, NULL);
        if (r < 0)
                return r;
        if (!json_object_is_type(object, json_type_object))
                return -EINVAL;
        *ret = TAKE_PTR(object);
        return 0;
}

int json_save(const char *path, json_object *object)
{
        const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                          JSON_C_TO_STRING_NOSLASHESCAPE);
        int r;

        if (!text)
                return -ENOMEM;
        r = file_write(path, text, strlen(text), 0600);
        return r == -ENOENT ? file_write(path, text, strlen(text), 0600) : r;
}
