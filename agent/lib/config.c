/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "command.h"
#include "config-value.h"
#include "json.h"

/* How an object of the document is read. */
enum reading {
        READING_TOP,    /* the whole document: takes "apiVersion" too */
        READING_NESTED, /* an object in it */
        READING_ABSENT, /* one that is not there and optional: only the fallbacks of its keys */
};

static int read_type(const struct config_type *type, json_object *json, const struct place *place,
                     void *object, enum reading reading, struct failure *failure);

static int read_object(const struct config_key *key, json_object *value, const struct place *place,
                       void *member, struct failure *failure)
{
        if (!json_object_is_type(value, json_type_object))
                return refuse_kind(key, value, place, "an object", failure);
        return read_type(key->type, value, place, member, READING_NESTED, failure);
}

/* Room for the elements of a list or map, empty so far: config_free can free them at any point of reading. */
static int make_objects(const struct config_key *key, size_t count, const struct place *place,
                        struct config_objects *objects, struct failure *failure)
{
        int r;

        r = check_count(key, count, "elements", place, failure);
        if (r < 0 || count == 0)
                return r;

        objects->items = calloc(count, key->type->size);
        if (!objects->items)
                return -ENOMEM;
        objects->count = count;
        return 0;
}

static void *element(const struct config_type *type, const struct config_objects *objects, size_t i)
{
        return (char *)objects->items + i * type->size;
}

static int read_objects(const struct config_key *key, json_object *value, const struct place *place,
                        void *member, struct failure *failure)
{
        struct config_objects *objects = member;
        int r;

        if (!json_object_is_type(value, json_type_array))
                return refuse_kind(key, value, place, "a list of objects", failure);
        r = make_objects(key, json_object_array_length(value), place, objects, failure);
        if (r < 0)
                return r;

        for (size_t i = 0; i < objects->count; i++) {
                const struct place here = { .parent = place, .index = i };

                r = read_object(key, json_object_array_get_idx(value, i), &here,
                                element(key->type, objects, i), failure);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_map(const struct config_key *key, json_object *value, const struct place *place, void *member,
                    struct failure *failure)
{
        struct config_objects *objects = member;
        struct json_object_iterator it, end;
        const char *allowed = "allowed";
        char shown[SHOWN_SIZE];
        int r;

        if (!json_object_is_type(value, json_type_object))
                return refuse_kind(key, value, place, "an object", failure);
        r = make_objects(key, (size_t)json_object_object_length(value), place, objects, failure);
        if (r < 0)
                return r;

        it = json_object_iter_begin(value);
        end = json_object_iter_end(value);
        for (size_t i = 0; !json_object_iter_equal(&it, &end); i++, json_object_iter_next(&it)) {
                const char *name = json_object_iter_peek_name(&it);
                const struct place here = { .parent = place, .name = name };
                char **item = element(key->type, objects, i);

                if (key->check && key->check(name, &allowed) < 0)
                        return refuse_at_place(failure, &here, "key %s is not %s%s", show_string(name, shown),
                                               allowed, template_hint(name));
                *item = strdup(name);
                if (!*item)
                        return -ENOMEM;
                r = read_object(key, json_object_iter_peek_value(&it), &here, item, failure);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_value(const struct config_key *key, json_object *value, const struct place *place,
                      void *member, struct failure *failure)
{
        switch (key->kind) {
        case CONFIG_OBJECT:
                return read_object(key, value, place, member, failure);
        case CONFIG_OBJECTS:
                return read_objects(key, value, place, member, failure);
        case CONFIG_MAP:
                return read_map(key, value, place, member, failure);
        case CONFIG_STRING:
        case CONFIG_BOOL:
        case CONFIG_INTEGER:
        case CONFIG_DURATION:
        case CONFIG_SIZE:
        case CONFIG_PERCENT:
        case CONFIG_ENUM:
        case CONFIG_STRINGS:
        case CONFIG_INTEGERS:
                return read_scalar(key, value, place, member, failure);
        }
        return -EINVAL;
}

static int read_absent(const struct config_type *type, const struct config_key *key,
                       const struct place *place, void *member, enum reading reading, struct failure *failure)
{
        _cleanup_json_ json_object *json = NULL;
        int r;

        if (key->required && reading != READING_ABSENT)
                return refuse_at_place(failure, place, "missing; %s needs it", type->name);

        if (key->fallback) {
                r = json_parse(key->fallback, strlen(key->fallback), &json, failure);
                if (r < 0)
                        return r;
                return read_value(key, json, place, member, failure);
        }
        if (key->kind != CONFIG_OBJECT)
                return 0;

        json = json_object_new_object();
        if (!json)
                return -ENOMEM;
        return read_type(key->type, json, place, member, READING_ABSENT, failure);
}

static const struct config_key *find_key(const struct config_type *type, const char *name)
{
        for (const struct config_key *key = type->keys; key->name; key++)
                if (strcmp(key->name, name) == 0)
                        return key;
        return NULL;
}

/* The names of the type's keys and `further`, if any; NULL: no memory. The texts are not owned. */
static const char **key_names(const struct config_type *type, const char *further, size_t *ret_count)
{
        const char **names;
        size_t n = 0;

        while (type->keys[n].name)
                n++;
        names = calloc(n + 1, sizeof(*names));
        if (!names)
                return NULL;
        for (size_t i = 0; i < n; i++)
                names[i] = type->keys[i].name;
        if (further)
                names[n++] = further;

        *ret_count = n;
        return names;
}

static int refuse_key(const struct config_type *type, const char *name, const struct place *place,
                      enum reading reading, struct failure *failure)
{
        _cleanup_free_ const char **names = NULL;
        size_t n_names;

        names = key_names(type, reading == READING_TOP ? "apiVersion" : NULL, &n_names);
        if (!names)
                return -ENOMEM;
        return refuse_unknown(place, "unknown key", name, names, n_names, failure);
}

/* Reads the keys in the document's order, so that the first error there is the one reported; then those that
 * are not there. */
static int read_type(const struct config_type *type, json_object *json, const struct place *place,
                     void *object, enum reading reading, struct failure *failure)
{
        struct json_object_iterator it = json_object_iter_begin(json), end = json_object_iter_end(json);
        char pointer[POINTER_SIZE];
        int r;

        for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                const char *name = json_object_iter_peek_name(&it);
                const struct place here = { .parent = place, .name = name };
                const struct config_key *key = find_key(type, name);

                if (key)
                        r = read_value(key, json_object_iter_peek_value(&it), &here,
                                       (char *)object + key->offset, failure);
                else if (reading == READING_TOP && strcmp(name, "apiVersion") == 0)
                        r = 0;
                else
                        r = refuse_key(type, name, &here, reading, failure);
                if (r < 0)
                        return r;
        }

        for (const struct config_key *key = type->keys; key->name; key++) {
                const struct place here = { .parent = place, .name = key->name };

                if (json_object_object_get_ex(json, key->name, NULL))
                        continue;
                r = read_absent(type, key, &here, (char *)object + key->offset, reading, failure);
                if (r < 0)
                        return r;
        }

        if (!type->check || reading == READING_ABSENT)
                return 0;
        return type->check(object, place_pointer(place, pointer), failure);
}

/* Looked at before all else: what a later version means by its keys is not known. */
static int check_api_version(json_object *json, struct failure *failure)
{
        const struct place place = { .name = "apiVersion" };
        char shown[SHOWN_SIZE];
        json_object *value;
        const char *text;

        if (!json_object_object_get_ex(json, "apiVersion", &value))
                return 0;
        if (!json_object_is_type(value, json_type_string))
                return refuse_at_place(failure, &place, "found %s; expected \"%s\"", show_value(value, shown),
                                       CONFIG_API_VERSION);
        text = json_object_get_string(value);
        if (strcmp(text, CONFIG_API_VERSION) == 0)
                return 0;
        return failure_set(failure, -EPROTONOSUPPORT, "UnknownApiVersion",
                           "/apiVersion: %s is unknown; this release knows \"%s\"%s",
                           show_string(text, shown), CONFIG_API_VERSION, template_hint(text));
}

static int read_text(const struct config_type *type, const char *text, size_t size, void *object,
                     struct failure *failure)
{
        _cleanup_json_ json_object *json = NULL;
        char shown[SHOWN_SIZE];
        int r;

        if (size > CONFIG_SIZE_MAX)
                return refuse_at_place(failure, NULL, "has %zu bytes; at most %d are allowed", size,
                                       CONFIG_SIZE_MAX);
        r = json_parse(text, size, &json, failure);
        if (r < 0)
                return r;
        if (!json_object_is_type(json, json_type_object))
                return refuse_at_place(failure, NULL, "found %s; expected an object {…}",
                                       show_value(json, shown));

        r = check_api_version(json, failure);
        if (r < 0)
                return r;
        return read_type(type, json, NULL, object, READING_TOP, failure);
}

int config_parse(const struct config_type *type, const char *file, const char *text, size_t size, void **ret,
                 struct failure *failure)
{
        void *object = calloc(1, type->size);
        int r;

        if (!object)
                return -ENOMEM;
        r = read_text(type, text, size, object, failure);
        if (r < 0) {
                config_free(type, object);
                if (r != -ENOMEM)
                        failure_prefix(failure, "%s", file);
                return r;
        }

        *ret = object;
        return 0;
}

static void free_string(char *string)
{
        if (string)
                explicit_bzero(string, strlen(string));
        free(string);
}

static void free_members(const struct config_type *type, void *object);

static void free_objects(const struct config_key *key, struct config_objects *objects)
{
        for (size_t i = 0; i < objects->count; i++) {
                char **item = element(key->type, objects, i);

                free_members(key->type, item);
                if (key->kind == CONFIG_MAP)
                        free_string(*item);
        }
        free(objects->items);
}

static void free_strings(struct config_strings *strings)
{
        for (size_t i = 0; i < strings->count; i++)
                free_string(strings->items[i]);
        free(strings->items);
}

static void free_members(const struct config_type *type, void *object)
{
        for (const struct config_key *key = type->keys; key->name; key++) {
                void *member = (char *)object + key->offset;

                switch (key->kind) {
                case CONFIG_STRING:
                        free_string(*(char **)member);
                        break;
                case CONFIG_STRINGS:
                        free_strings(member);
                        break;
                case CONFIG_INTEGERS:
                        free(((struct config_integers *)member)->items);
                        break;
                case CONFIG_OBJECT:
                        free_members(key->type, member);
                        break;
                case CONFIG_OBJECTS:
                case CONFIG_MAP:
                        free_objects(key, member);
                        break;
                case CONFIG_BOOL:
                case CONFIG_INTEGER:
                case CONFIG_DURATION:
                case CONFIG_SIZE:
                case CONFIG_PERCENT:
                case CONFIG_ENUM:
                        break;
                }
        }
}

void config_free(const struct config_type *type, void *object)
{
        if (!object)
                return;
        free_members(type, object);
        free(object);
}

const char *config_nearest(const struct config_type *type, const char *name)
{
        _cleanup_free_ const char **names = NULL;
        size_t n_names;

        names = key_names(type, NULL, &n_names);
        return names ? nearest_name(name, names, n_names) : NULL;
}
