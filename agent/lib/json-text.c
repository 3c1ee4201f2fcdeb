/* SPDX-License-Identifier: Apache-2.0 */
#include "json-text.h"

#include <string.h>

#include "json.h"

static const char *skip_space(const char *at)
{
        while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
                at++;
        return at;
}

static bool is_escaped(const char *at)
{
        bool escaped = false;

        while (*--at == '\\')
                escaped = !escaped;
        return escaped;
}

static const char *skip_string(const char *at)
{
        do
                at = rawmemchr(at + 1, '"');
        while (is_escaped(at));
        return at + 1;
}

/* Brackets match, so that counting them is enough. They stand behind the digits and most signs in ASCII. */
static const char *skip_container(const char *at)
{
        size_t depth = 0;

        do {
                while (*at < '[' && *at != '"')
                        at++;
                if (*at == '"') {
                        at = skip_string(at);
                        continue;
                }
                if (*at == '{' || *at == '[')
                        depth++;
                else if (*at == '}' || *at == ']')
                        depth--;
                at++;
        } while (depth > 0);
        return at;
}

const char *json_text_begin(const char *text)
{
        return skip_space(text);
}

void json_text_skip(const char **at)
{
        const char *end = *at;

        if (*end == '"')
                end = skip_string(end);
        else if (*end == '{' || *end == '[')
                end = skip_container(end);
        else /* a number or a word, which inside of a container does not end the text */
                while (*end != ',' && *end != '}' && *end != ']' && *end != ' ' && *end != '\n' &&
                       *end != '\t' && *end != '\r')
                        end++;
        *at = end;
}

bool json_text_enter(const char **at, char kind)
{
        if (**at != kind) {
                json_text_skip(at);
                return false;
        }
        ++*at;
        return true;
}

bool json_text_element(const char **at)
{
        const char *next = skip_space(*at);
        bool is_end = *next == ']' || *next == '}';

        if (is_end)
                next++;
        else if (*next == ',')
                next = skip_space(next + 1);
        *at = next;
        return !is_end;
}

bool json_text_member(const char **at, struct json_text *ret_key)
{
        const char *end;

        if (!json_text_element(at))
                return false;
        end = skip_string(*at);
        *ret_key = (struct json_text){ *at, (size_t)(end - *at) };
        *at = skip_space(skip_space(end) + 1);
        return true;
}

char *json_text_name(const struct json_text *key)
{
        _cleanup_json_ json_object *value = NULL;

        if (!memchr(key->at, '\\', key->size))
                return strndup(key->at + 1, key->size - 2);
        return json_parse(key->at, key->size, &value, NULL) < 0 ? NULL
                                                                : strdup(json_object_get_string(value));
}

char *json_text_string(const char **at)
{
        const char *end = skip_string(*at);
        const struct json_text text = { *at, (size_t)(end - *at) };

        *at = end;
        return json_text_name(&text);
}

bool json_text_is(const struct json_text *key, const char *name)
{
        const size_t length = strlen(name);
        _cleanup_free_ char *text = NULL;

        if (key->size == length + 2)
                return memcmp(key->at + 1, name, length) == 0;
        if (key->size < length + 2 || !memchr(key->at, '\\', key->size))
                return false;
        text = json_text_name(key);
        return text && strcmp(text, name) == 0;
}
