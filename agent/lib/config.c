/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>

#include "command.h"
#include "config-refusal.h"
#include "json.h"
#include "quantity.h"

/* How an object of the document is read. */
enum reading {
        READING_TOP,    /* the whole document: takes "apiVersion" too */
        READING_NESTED, /* an object in it */
        READING_ABSENT, /* one that is not there and optional: only the fallbacks of its keys */
};

static int read_type(const struct config_type *type, json_object *json, const struct place *place,
                     void *object, enum reading reading, struct failure *failure);

/* " (an absolute path)": what the key's check asks for, as it says about the empty string. */
static const char *check_text(const struct config_key *key, char buffer[static SHOWN_SIZE])
{
        const char *allowed = NULL;

        buffer[0] = '\0';
        if (key->check && key->check("", &allowed) < 0 && allowed)
                snprintf(buffer, SHOWN_SIZE, " (%s)", allowed);
        return buffer;
}

static int refuse_kind(const struct config_key *key, json_object *value, const struct place *place,
                       const char *expected, struct failure *failure)
{
        char shown[SHOWN_SIZE], check[SHOWN_SIZE];

        return refuse_at_place(failure, place, "found %s; expected %s%s", show_value(value, shown), expected,
                               check_text(key, check));
}

static int copy_string(const struct config_key *key, json_object *value, const struct place *place,
                       char **ret, struct failure *failure)
{
        const char *text = json_object_get_string(value), *allowed = "allowed";
        char shown[SHOWN_SIZE];
        char *copy;

        if (key->check && key->check(text, &allowed) < 0)
                return refuse_at_place(failure, place, "%s is not %s%s", show_string(text, shown), allowed,
                                       template_hint(text));
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

static int check_count(const struct config_key *key, size_t count, const char *what,
                       const struct place *place, struct failure *failure)
{
        if (count < key->minimum && key->maximum == 0)
                return refuse_at_place(failure, place, "found %zu %s; expected at least %" PRIu64, count,
                                       what, key->minimum);
        if (count < key->minimum || (key->maximum > 0 && count > key->maximum))
                return refuse_at_place(failure, place, "found %zu %s; expected %" PRIu64 " to %" PRIu64,
                                       count, what, key->minimum, key->maximum);
        return 0;
}

static int read_string(const struct config_key *key, json_object *value, const struct place *place,
                       void *member, struct failure *failure)
{
        int r;

        if (!json_object_is_type(value, json_type_string))
                return refuse_kind(key, value, place, "a string", failure);
        r = check_count(key, (size_t)json_object_get_string_len(value), "bytes", place, failure);
        if (r < 0)
                return r;
        return copy_string(key, value, place, member, failure);
}

static int read_bool(const struct config_key *key, json_object *value, const struct place *place,
                     void *member, struct failure *failure)
{
        if (!json_object_is_type(value, json_type_boolean))
                return refuse_kind(key, value, place, "true or false", failure);
        *(bool *)member = json_object_get_boolean(value);
        return 0;
}

static int read_integer(const struct config_key *key, json_object *value, const struct place *place,
                        void *member, struct failure *failure)
{
        int64_t minimum = (int64_t)key->minimum,
                maximum = key->maximum == 0 ? INT64_MAX : (int64_t)key->maximum;
        char expected[96] = "a whole number", shown[SHOWN_SIZE];
        int64_t number;

        if (!json_object_is_type(value, json_type_int))
                return refuse_kind(key, value, place, expected, failure);

        /* json-c keeps what is beyond int64_t as uint64_t, and gives INT64_MAX for it when asked for the
         * former. */
        number = json_object_get_int64(value);
        if (number >= minimum && number <= maximum &&
            (number < 0 || json_object_get_uint64(value) <= INT64_MAX)) {
                *(int64_t *)member = number;
                return 0;
        }
        if (key->maximum == 0)
                snprintf(expected, sizeof(expected), "at least %" PRId64, minimum);
        else
                snprintf(expected, sizeof(expected), "%" PRId64 " to %" PRId64, minimum, maximum);
        return refuse_at_place(failure, place, "%s is out of range; allowed: %s", show_value(value, shown),
                               expected);
}

/* A notation with units: what it is called, how it looks, and how its values are read and written. */
struct notation {
        const char *name, *like;
        int (*parse)(const char *text, uint64_t *ret);
        char *(*format)(uint64_t value, char buffer[static QUANTITY_SIZE]);
};

static const struct notation notation_duration = { "a duration", "\"90s\", \"5m\", \"6h\", \"2w\"",
                                                   duration_parse, duration_format };
static const struct notation notation_size = { "a size", "\"512M\", \"10G\"", size_parse, size_format };

static int read_quantity(const struct config_key *key, json_object *value, const struct place *place,
                         uint64_t *ret, const struct notation *notation, struct failure *failure)
{
        char shown[SHOWN_SIZE], least[QUANTITY_SIZE], most[QUANTITY_SIZE];
        uint64_t quantity = 0;
        const char *text;
        int r;

        if (!json_object_is_type(value, json_type_string))
                return refuse_at_place(failure, place, "found %s; expected %s in quotes like %s",
                                       show_value(value, shown), notation->name, notation->like);

        text = json_object_get_string(value);
        show_string(text, shown);
        r = notation->parse(text, &quantity);
        if (r == -EINVAL)
                return refuse_at_place(failure, place, "%s is not %s; write it like %s%s", shown,
                                       notation->name, notation->like, template_hint(text));
        if (r == 0 && quantity >= key->minimum && (key->maximum == 0 || quantity <= key->maximum)) {
                *ret = quantity;
                return 0;
        }

        notation->format(key->minimum, least);
        if (key->maximum > 0)
                return refuse_at_place(failure, place, "%s is out of range; allowed: \"%s\" to \"%s\"", shown,
                                       least, notation->format(key->maximum, most));
        return refuse_at_place(failure, place, "%s is out of range; allowed: at least \"%s\"", shown, least);
}

static int read_duration(const struct config_key *key, json_object *value, const struct place *place,
                         void *member, struct failure *failure)
{
        return read_quantity(key, value, place, member, &notation_duration, failure);
}

static int read_size(const struct config_key *key, json_object *value, const struct place *place,
                     void *member, struct failure *failure)
{
        return read_quantity(key, value, place, member, &notation_size, failure);
}

static int read_percent(const struct config_key *key, json_object *value, const struct place *place,
                        void *member, struct failure *failure)
{
        uint64_t maximum = key->maximum > 0 ? key->maximum : 100;
        char shown[SHOWN_SIZE];
        double fraction = 0;
        const char *text;
        int r;

        if (!json_object_is_type(value, json_type_string))
                return refuse_at_place(failure, place,
                                       "found %s; expected a percentage in quotes like \"5%%\"",
                                       show_value(value, shown));

        text = json_object_get_string(value);
        show_string(text, shown);
        r = percent_parse(text, &fraction);
        if (r == -EINVAL)
                return refuse_at_place(failure, place, "%s is not a percentage; write it like \"5%%\"%s",
                                       shown, template_hint(text));
        if (r < 0 || fraction < (double)key->minimum / 100 || fraction > (double)maximum / 100)
                return refuse_at_place(failure, place,
                                       "%s is out of range; allowed: \"%" PRIu64 "%%\" to \"%" PRIu64 "%%\"",
                                       shown, key->minimum, maximum);
        *(double *)member = fraction;
        return 0;
}

/* "unknown …; did you mean "NEAREST"? (allowed: a, b)" for a key or the word of an enumeration. */
static int refuse_unknown(const struct place *place, const char *what, const char *word,
                          const char *const *names, size_t n_names, struct failure *failure)
{
        const char *nearest = nearest_name(word, names, n_names), *hint = template_hint(word);
        _cleanup_free_ char *allowed = NULL;
        _cleanup_(fclosep) FILE *out = NULL;
        size_t size;

        out = open_memstream(&allowed, &size);
        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < n_names; i++)
                fprintf(out, "%s%s", i > 0 ? ", " : "", names[i]);
        if (fclose(TAKE_PTR(out)) != 0)
                return -ENOMEM;

        if (*hint)
                return refuse_at_place(failure, place, "%s%s (allowed: %s)", what, hint, allowed);
        if (nearest)
                return refuse_at_place(failure, place, "%s; did you mean \"%s\"? (allowed: %s)", what,
                                       nearest, allowed);
        return refuse_at_place(failure, place, "%s; allowed: %s", what, allowed);
}

static int read_enum(const struct config_key *key, json_object *value, const struct place *place,
                     void *member, struct failure *failure)
{
        char shown[SHOWN_SIZE], what[SHOWN_SIZE + 32];
        const char *text;
        int n = 0;

        if (!json_object_is_type(value, json_type_string))
                return refuse_kind(key, value, place, "a string", failure);

        text = json_object_get_string(value);
        for (; key->names[n]; n++)
                if (strcmp(key->names[n], text) == 0) {
                        *(int *)member = n;
                        return 0;
                }
        snprintf(what, sizeof(what), "unknown value %s", show_string(text, shown));
        return refuse_unknown(place, what, text, key->names, (size_t)n, failure);
}

static int read_strings(const struct config_key *key, json_object *value, const struct place *place,
                        void *member, struct failure *failure)
{
        struct config_strings *strings = member;
        size_t count;
        int r;

        if (!json_object_is_type(value, json_type_array))
                return refuse_kind(key, value, place, "a list of strings", failure);
        count = json_object_array_length(value);
        r = check_count(key, count, "elements", place, failure);
        if (r < 0 || count == 0)
                return r;

        strings->items = calloc(count, sizeof(*strings->items));
        if (!strings->items)
                return -ENOMEM;
        strings->count = count;
        for (size_t i = 0; i < count; i++) {
                const struct place here = { .parent = place, .index = i };
                json_object *item = json_object_array_get_idx(value, i);

                if (!json_object_is_type(item, json_type_string))
                        return refuse_kind(key, item, &here, "a string", failure);
                r = copy_string(key, item, &here, &strings->items[i], failure);
                if (r < 0)
                        return r;
        }
        return 0;
}

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
        static int (*const readers[])(const struct config_key *key, json_object *value,
                                      const struct place *place, void *member, struct failure *failure) = {
                [CONFIG_STRING] = read_string,   [CONFIG_BOOL] = read_bool,
                [CONFIG_INTEGER] = read_integer, [CONFIG_DURATION] = read_duration,
                [CONFIG_SIZE] = read_size,       [CONFIG_PERCENT] = read_percent,
                [CONFIG_ENUM] = read_enum,       [CONFIG_STRINGS] = read_strings,
                [CONFIG_OBJECT] = read_object,   [CONFIG_OBJECTS] = read_objects,
                [CONFIG_MAP] = read_map,
        };

        return readers[key->kind](key, value, place, member, failure);
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
                OPENSSL_cleanse(string, strlen(string));
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
