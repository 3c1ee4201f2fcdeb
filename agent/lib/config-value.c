/* SPDX-License-Identifier: Apache-2.0 */
#include "config-value.h"

#include <inttypes.h>
#include <string.h>

#include "quantity.h"

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

static int read_integers(const struct config_key *key, json_object *value, const struct place *place,
                         void *member, struct failure *failure)
{
        const struct config_key bounds = { .minimum = 1, .maximum = CONFIG_INTEGERS_MAX };
        struct config_integers *integers = member;
        size_t count;
        int r;

        if (!json_object_is_type(value, json_type_array))
                return refuse_kind(key, value, place, "a list of whole numbers", failure);
        count = json_object_array_length(value);
        r = check_count(&bounds, count, "elements", place, failure);
        if (r < 0)
                return r;

        integers->items = calloc(count, sizeof(*integers->items));
        if (!integers->items)
                return -ENOMEM;
        integers->count = count;
        for (size_t i = 0; i < count; i++) {
                const struct place here = { .parent = place, .index = i };

                r = read_integer(key, json_object_array_get_idx(value, i), &here, &integers->items[i],
                                 failure);
                if (r < 0)
                        return r;
        }
        return 0;
}

int read_scalar(const struct config_key *key, json_object *value, const struct place *place, void *member,
                struct failure *failure)
{
        switch (key->kind) {
        case CONFIG_STRING:
                return read_string(key, value, place, member, failure);
        case CONFIG_BOOL:
                return read_bool(key, value, place, member, failure);
        case CONFIG_INTEGER:
                return read_integer(key, value, place, member, failure);
        case CONFIG_DURATION:
                return read_quantity(key, value, place, member, &notation_duration, failure);
        case CONFIG_SIZE:
                return read_quantity(key, value, place, member, &notation_size, failure);
        case CONFIG_PERCENT:
                return read_percent(key, value, place, member, failure);
        case CONFIG_ENUM:
                return read_enum(key, value, place, member, failure);
        case CONFIG_STRINGS:
                return read_strings(key, value, place, member, failure);
        case CONFIG_INTEGERS:
                return read_integers(key, value, place, member, failure);
        case CONFIG_OBJECT:
        case CONFIG_OBJECTS:
        case CONFIG_MAP:
                break;
        }
        return -EINVAL;
}
