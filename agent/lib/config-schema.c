/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "json.h"

/* Prints a type's table as JSON Schema, draft 2020-12. Nested types are written out where they stand: none is
 * recursive. */

#define PATTERN_DURATION "^[0-9]+(us|ms|s|m|h|d|w)$"
#define PATTERN_SIZE     "^[0-9]+[BKMGTPE]$"
#define PATTERN_PERCENT  "^[0-9]+(\\.[0-9]+)?%$"

static int describe_type(const struct config_type *type, bool top, json_object *schema);

/* Adds key: {} to the object and lends the new value; NULL: no memory. */
static json_object *add_object(json_object *object, const char *key)
{
        json_object *value = json_object_new_object();

        return json_set(object, key, value) < 0 ? NULL : value;
}

static int set_type(json_object *schema, const char *type, const char *pattern)
{
        int r;

        r = json_set_string(schema, "type", type);
        if (r < 0 || !pattern)
                return r;
        return json_set_string(schema, "pattern", pattern);
}

static int set_bounds(const struct config_key *key, json_object *schema, const char *minimum,
                      const char *maximum)
{
        int r = 0;

        if (key->minimum != 0)
                r = json_set_integer(schema, minimum, (int64_t)key->minimum);
        if (r == 0 && key->maximum != 0)
                r = json_set_integer(schema, maximum, (int64_t)key->maximum);
        return r;
}

static int describe_integer(const struct config_key *key, json_object *schema)
{
        int r;

        r = set_type(schema, "integer", NULL);
        if (r == 0)
                r = json_set_integer(schema, "minimum", (int64_t)key->minimum);
        if (r == 0 && key->maximum != 0)
                r = json_set_integer(schema, "maximum", (int64_t)key->maximum);
        return r;
}

static int describe_enum(const struct config_key *key, json_object *schema)
{
        json_object *names = json_object_new_array();
        int r;

        r = json_set(schema, "enum", names);
        for (size_t i = 0; r == 0 && key->names[i]; i++)
                r = json_append(names, json_object_new_string(key->names[i]));
        return r;
}

static int describe_string(const struct config_key *key, json_object *schema)
{
        int r;

        r = set_type(schema, "string", NULL);
        return r < 0 ? r : set_bounds(key, schema, "minLength", "maxLength");
}

static int describe_list(const struct config_key *key, json_object *schema)
{
        json_object *items;
        int r;

        r = set_type(schema, "array", NULL);
        if (r == 0)
                r = set_bounds(key, schema, "minItems", "maxItems");
        if (r < 0)
                return r;
        items = add_object(schema, "items");
        if (!items)
                return -ENOMEM;
        return key->kind == CONFIG_STRINGS ? set_type(items, "string", NULL)
                                           : describe_type(key->type, false, items);
}

static int describe_integers(const struct config_key *key, json_object *schema)
{
        json_object *items;
        int r;

        r = set_type(schema, "array", NULL);
        if (r == 0)
                r = json_set_integer(schema, "minItems", 1);
        if (r == 0)
                r = json_set_integer(schema, "maxItems", CONFIG_INTEGERS_MAX);
        if (r < 0)
                return r;
        items = add_object(schema, "items");
        return items ? describe_integer(key, items) : -ENOMEM;
}

static int describe_map(const struct config_key *key, json_object *schema)
{
        json_object *values;
        int r;

        r = set_type(schema, "object", NULL);
        if (r == 0)
                r = set_bounds(key, schema, "minProperties", "maxProperties");
        if (r < 0)
                return r;
        values = add_object(schema, "additionalProperties");
        return values ? describe_type(key->type, false, values) : -ENOMEM;
}

static int describe_kind(const struct config_key *key, json_object *schema)
{
        switch (key->kind) {
        case CONFIG_STRING:
                return describe_string(key, schema);
        case CONFIG_BOOL:
                return set_type(schema, "boolean", NULL);
        case CONFIG_INTEGER:
                return describe_integer(key, schema);
        case CONFIG_DURATION:
                return set_type(schema, "string", PATTERN_DURATION);
        case CONFIG_SIZE:
                return set_type(schema, "string", PATTERN_SIZE);
        case CONFIG_PERCENT:
                return set_type(schema, "string", PATTERN_PERCENT);
        case CONFIG_ENUM:
                return describe_enum(key, schema);
        case CONFIG_STRINGS:
        case CONFIG_OBJECTS:
                return describe_list(key, schema);
        case CONFIG_INTEGERS:
                return describe_integers(key, schema);
        case CONFIG_OBJECT:
                return describe_type(key->type, false, schema);
        case CONFIG_MAP:
                return describe_map(key, schema);
        }
        return -EINVAL;
}

/* A key's help overrides that of the type of its value: it says what the value is for here. */
static int describe_key(const struct config_key *key, json_object *schema)
{
        json_object *fallback;
        int r;

        r = describe_kind(key, schema);
        if (r == 0 && key->help)
                r = json_set_string(schema, "description", key->help);
        if (r < 0 || !key->fallback)
                return r;

        r = json_parse(key->fallback, strlen(key->fallback), &fallback, NULL);
        return r < 0 ? r : json_set(schema, "default", fallback);
}

static int describe_api_version(json_object *properties)
{
        json_object *schema = add_object(properties, "apiVersion");

        if (!schema || json_set_string(schema, "const", CONFIG_API_VERSION) < 0)
                return -ENOMEM;
        return json_set_string(schema, "description", "Version of the format; absent means this one.");
}

/* The list of the keys that must be there; a list without one is left out. */
static int describe_required(const struct config_type *type, json_object *schema)
{
        json_object *required = NULL;
        int r = 0;

        for (const struct config_key *key = type->keys; r == 0 && key->name; key++) {
                if (!key->required)
                        continue;
                if (!required) {
                        required = json_object_new_array();
                        r = json_set(schema, "required", required);
                        if (r < 0)
                                return r;
                }
                r = json_append(required, json_object_new_string(key->name));
        }
        return r;
}

static int describe_type(const struct config_type *type, bool top, json_object *schema)
{
        json_object *properties;
        int r;

        r = set_type(schema, "object", NULL);
        if (r == 0 && type->help)
                r = json_set_string(schema, "description", type->help);
        if (r < 0)
                return r;
        properties = add_object(schema, "properties");
        if (!properties)
                return -ENOMEM;
        if (top)
                r = describe_api_version(properties);

        for (const struct config_key *key = type->keys; r == 0 && key->name; key++) {
                json_object *property = add_object(properties, key->name);

                r = property ? describe_key(key, property) : -ENOMEM;
        }
        if (r < 0)
                return r;

        r = describe_required(type, schema);
        return r < 0 ? r : json_set_bool(schema, "additionalProperties", false);
}

char *config_schema(const struct config_type *type)
{
        _cleanup_json_ json_object *schema = json_object_new_object();

        if (!schema ||
            json_set_string(schema, "$schema", "https://json-schema.org/draft/2020-12/schema") < 0 ||
            json_set_string(schema, "title", type->name) < 0 || describe_type(type, true, schema) < 0)
                return NULL;
        return strdup(json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY |
                                                                     JSON_C_TO_STRING_SPACED |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE));
}
