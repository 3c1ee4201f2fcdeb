/* SPDX-License-Identifier: Apache-2.0 */

#include "toml.h"

#include <string.h>

#include "toml-scan.h"

#define KEY_PARTS_MAX 16
#define ITEMS_MAX     4096 /* of one table or array; members are looked for one by one */

struct toml_value *toml_free(struct toml_value *value)
{
        if (!value)
                return NULL;
        for (size_t i = 0; i < value->count; i++)
                toml_free(value->items[i]);
        free(value->items);
        free(value->key);
        free(value->text);
        free(value);
        return NULL;
}

const struct toml_value *toml_get(const struct toml_value *table, const char *key)
{
        for (size_t i = 0; table && table->kind == TOML_TABLE && i < table->count; i++)
                if (strcmp(table->items[i]->key, key) == 0)
                        return table->items[i];
        return NULL;
}

const char *toml_string(const struct toml_value *table, const char *key)
{
        const struct toml_value *value = toml_get(table, key);

        return value && value->kind == TOML_STRING ? value->text : NULL;
}

/* ---- building ---- */

/* Appends a new, empty value; NULL: no memory, or too many. */
static struct toml_value *append(struct toml_value *parent, enum toml_kind kind, const char *key)
{
        _cleanup_(toml_freep) struct toml_value *value = calloc(1, sizeof(*value));
        struct toml_value **items;

        if (!value || parent->count == ITEMS_MAX)
                return NULL;
        value->kind = kind;
        value->depth = parent->depth + 1;
        if (key) {
                value->key = strdup(key);
                if (!value->key)
                        return NULL;
        }
        items = reallocarray(parent->items, parent->count + 1, sizeof(struct toml_value *));
        if (!items)
                return NULL;
        parent->items = items;
        items[parent->count++] = value;
        return TAKE_PTR(value);
}

static struct toml_value *member(struct toml_value *table, const char *key)
{
        for (size_t i = 0; i < table->count; i++)
                if (strcmp(table->items[i]->key, key) == 0)
                        return table->items[i];
        return NULL;
}

int toml_set_string(struct toml_value *table, const char *key, const char *text)
{
        struct toml_value *value = member(table, key);
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        if (!value)
                value = append(table, TOML_STRING, key);
        if (!value) {
                free(copy);
                return -ENOMEM;
        }
        for (size_t i = 0; i < value->count; i++)
                toml_free(value->items[i]);
        value->count = 0;
        value->kind = TOML_STRING;
        free(value->text);
        value->text = copy;
        return 0;
}

int toml_make_table(struct toml_value *table, const char *key, struct toml_value **ret)
{
        struct toml_value *value = member(table, key);

        if (value && value->kind != TOML_TABLE)
                return -EEXIST;
        if (!value)
                value = append(table, TOML_TABLE, key);
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

int toml_copy(const struct toml_value *value, struct toml_value **ret)
{
        _cleanup_(toml_freep) struct toml_value *copy = calloc(1, sizeof(*copy));

        if (!copy)
                return -ENOMEM;
        copy->kind = value->kind;
        copy->closed = value->closed;
        copy->depth = value->depth;
        if ((value->key && !(copy->key = strdup(value->key))) ||
            (value->text && !(copy->text = strdup(value->text))))
                return -ENOMEM;
        copy->items = calloc(value->count + 1, sizeof(struct toml_value *));
        if (!copy->items)
                return -ENOMEM;
        for (; copy->count < value->count; copy->count++) {
                int r = toml_copy(value->items[copy->count], &copy->items[copy->count]);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

/* ---- parsing ---- */

struct key {
        char *parts[KEY_PARTS_MAX];
        size_t count;
};

static void key_clear(struct key *key)
{
        for (size_t i = 0; i < key->count; i++)
                free(key->parts[i]);
}

static int parse_key(struct toml_scanner *scanner, struct key *key)
{
        for (;;) {
                int r;

                if (key->count == KEY_PARTS_MAX)
                        return toml_refuse(scanner, "a key of more than 16 parts");
                toml_skip_blanks(scanner);
                r = toml_scan_key(scanner, &key->parts[key->count]);
                if (r < 0)
                        return r;
                key->count++;
                toml_skip_blanks(scanner);
                if (!toml_take(scanner, '.'))
                        return 0;
        }
}

static int no_room(struct toml_scanner *scanner, const struct toml_value *parent)
{
        return parent->count == ITEMS_MAX ? toml_refuse(scanner, "more than 4096 members") : -ENOMEM;
}

static int parse_value(struct toml_scanner *scanner, struct toml_value *parent, const char *key);

static int parse_array(struct toml_scanner *scanner, struct toml_value *parent, const char *key)
{
        struct toml_value *array = append(parent, TOML_ARRAY, key);
        int r;

        if (!array)
                return no_room(scanner, parent);
        array->closed = true;
        for (;;) {
                r = toml_skip_lines(scanner);
                if (r < 0)
                        return r;
                if (toml_take(scanner, ']'))
                        return 0;
                r = parse_value(scanner, array, NULL);
                if (r >= 0)
                        r = toml_skip_lines(scanner);
                if (r < 0)
                        return r;
                if (array->items[0]->kind != array->items[array->count - 1]->kind)
                        return toml_refuse(scanner, "an array of values of several kinds");
                if (toml_take(scanner, ']'))
                        return 0;
                if (!toml_take(scanner, ','))
                        return toml_refuse(scanner, "a comma or ] is missing in an array");
        }
}

static int parse_pair(struct toml_scanner *scanner, struct toml_value *table);

static int parse_inline_table(struct toml_scanner *scanner, struct toml_value *parent, const char *key)
{
        struct toml_value *table = append(parent, TOML_TABLE, key);
        int r;

        if (!table)
                return no_room(scanner, parent);
        toml_skip_blanks(scanner);
        if (toml_take(scanner, '}')) {
                table->closed = true;
                return 0;
        }
        for (;;) {
                r = parse_pair(scanner, table);
                if (r < 0)
                        return r;
                toml_skip_blanks(scanner);
                if (toml_take(scanner, '}'))
                        break;
                if (!toml_take(scanner, ','))
                        return toml_refuse(scanner, "a comma or } is missing in an inline table");
                toml_skip_blanks(scanner);
        }
        table->closed = true;
        return 0;
}

static int parse_scalar(struct toml_scanner *scanner, struct toml_value *parent, const char *key)
{
        enum toml_kind kind = TOML_OTHER;
        char *text = NULL;
        struct toml_value *value;
        int r;

        r = toml_scan_scalar(scanner, &kind, &text);
        if (r < 0)
                return r;
        value = append(parent, kind, key);
        if (!value) {
                free(text);
                return no_room(scanner, parent);
        }
        value->text = text;
        return 0;
}

static int parse_value(struct toml_scanner *scanner, struct toml_value *parent, const char *key)
{
        if (parent->depth >= TOML_DEPTH_MAX)
                return toml_refuse(scanner, "nested too deeply");
        if (toml_take(scanner, '['))
                return parse_array(scanner, parent, key);
        if (toml_take(scanner, '{'))
                return parse_inline_table(scanner, parent, key);
        return parse_scalar(scanner, parent, key);
}

/* Into the tables that all parts but the last of a dotted key name. */
static int enter_dotted(struct toml_scanner *scanner, struct toml_value *table, const struct key *key,
                        struct toml_value **ret)
{
        for (size_t i = 0; i + 1 < key->count; i++) {
                struct toml_value *next = member(table, key->parts[i]);

                if (!next) {
                        next = append(table, TOML_TABLE, key->parts[i]);
                        if (!next)
                                return no_room(scanner, table);
                        next->dotted = true;
                } else if (next->kind != TOML_TABLE || !next->dotted || next->closed) {
                        return toml_refuse(scanner, "a dotted key adds to what stands elsewhere");
                }
                table = next;
        }
        *ret = table;
        return 0;
}

/* key = value */
static int parse_pair(struct toml_scanner *scanner, struct toml_value *table)
{
        _cleanup_(key_clear) struct key key = {};
        const char *name;
        int r;

        r = parse_key(scanner, &key);
        if (r < 0)
                return r;
        if (!toml_take(scanner, '='))
                return toml_refuse(scanner, "= is missing behind a key");
        toml_skip_blanks(scanner);
        r = enter_dotted(scanner, table, &key, &table);
        if (r < 0)
                return r;
        name = key.parts[key.count - 1];
        if (member(table, name))
                return toml_refuse(scanner, "a key that stands there already");
        return parse_value(scanner, table, name);
}

/* Into the tables above the one that a header names. */
static int enter_header(struct toml_scanner *scanner, struct toml_value *table, const struct key *key,
                        struct toml_value **ret)
{
        for (size_t i = 0; i + 1 < key->count; i++) {
                struct toml_value *next = member(table, key->parts[i]);

                if (!next) {
                        next = append(table, TOML_TABLE, key->parts[i]);
                        if (!next)
                                return no_room(scanner, table);
                } else if (next->kind == TOML_ARRAY && !next->closed) {
                        next = next->items[next->count - 1];
                } else if (next->kind != TOML_TABLE || next->closed || next->dotted) {
                        return toml_refuse(scanner, "a header below what is no table");
                }
                table = next;
        }
        if (table->depth + 1 >= TOML_DEPTH_MAX)
                return toml_refuse(scanner, "nested too deeply");
        *ret = table;
        return 0;
}

/* [key] */
static int open_table(struct toml_scanner *scanner, struct toml_value *parent, const char *name,
                      struct toml_value **ret)
{
        struct toml_value *table = member(parent, name);

        if (!table)
                table = append(parent, TOML_TABLE, name);
        else if (table->kind != TOML_TABLE || table->header || table->dotted || table->closed)
                return toml_refuse(scanner, "a table that stands there already");
        if (!table)
                return no_room(scanner, parent);
        table->header = true;
        *ret = table;
        return 0;
}

/* [[key]] */
static int open_element(struct toml_scanner *scanner, struct toml_value *parent, const char *name,
                        struct toml_value **ret)
{
        struct toml_value *array = member(parent, name), *table;

        if (!array)
                array = append(parent, TOML_ARRAY, name);
        else if (array->kind != TOML_ARRAY || array->closed)
                return toml_refuse(scanner, "an element of what is no array of tables");
        if (!array)
                return no_room(scanner, parent);
        table = append(array, TOML_TABLE, NULL);
        if (!table)
                return no_room(scanner, array);
        table->header = true;
        *ret = table;
        return 0;
}

static int parse_header(struct toml_scanner *scanner, struct toml_value *document, struct toml_value **ret)
{
        _cleanup_(key_clear) struct key key = {};
        bool element = toml_take(scanner, '[');
        struct toml_value *parent = NULL;
        int r;

        r = parse_key(scanner, &key);
        if (r < 0)
                return r;
        if (!toml_take(scanner, ']') || (element && !toml_take(scanner, ']')))
                return toml_refuse(scanner, "] is missing behind a table's name");
        r = enter_header(scanner, document, &key, &parent);
        if (r < 0)
                return r;
        return (element ? open_element : open_table)(scanner, parent, key.parts[key.count - 1], ret);
}

static int parse_document(struct toml_scanner *scanner, struct toml_value *document)
{
        struct toml_value *table = document;
        int r;

        for (;;) {
                r = toml_skip_lines(scanner);
                if (r < 0)
                        return r;
                if (scanner->at == scanner->end)
                        return 0;
                r = toml_take(scanner, '[') ? parse_header(scanner, document, &table)
                                            : parse_pair(scanner, table);
                if (r >= 0)
                        r = toml_end_line(scanner);
                if (r < 0)
                        return r;
        }
}

int toml_parse(const char *text, size_t size, struct toml_value **ret, struct failure *failure)
{
        struct toml_scanner scanner = { .at = text, .end = text + size, .line = 1, .failure = failure };
        _cleanup_(toml_freep) struct toml_value *document = NULL;
        int r;

        if (size > TOML_SIZE_MAX)
                return toml_refuse(&scanner, "a document of more than 256 KiB");
        document = calloc(1, sizeof(*document));
        if (!document)
                return -ENOMEM;
        r = parse_document(&scanner, document);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(document);
        return 0;
}

/* ---- writing ---- */

void toml_write_string(FILE *stream, const char *text)
{
        fputc('"', stream);
        for (const unsigned char *p = (const unsigned char *)text; *p; p++)
                if (*p == '"' || *p == '\\')
                        fprintf(stream, "\\%c", *p);
                else if (*p < 0x20 || *p == 0x7F)
                        fprintf(stream, "\\u%04X", *p);
                else
                        fputc(*p, stream);
        fputc('"', stream);
}

static void write_value(FILE *stream, const struct toml_value *value)
{
        switch (value->kind) {
        case TOML_STRING:
                toml_write_string(stream, value->text);
                return;
        case TOML_INTEGER:
        case TOML_BOOL:
        case TOML_OTHER:
                fputs(value->text, stream);
                return;
        case TOML_ARRAY:
        case TOML_TABLE:
                break;
        }
        fputs(value->kind == TOML_ARRAY ? "[" : "{ ", stream);
        for (size_t i = 0; i < value->count; i++) {
                if (i > 0)
                        fputs(", ", stream);
                if (value->kind == TOML_TABLE) {
                        toml_write_string(stream, value->items[i]->key);
                        fputs(" = ", stream);
                }
                write_value(stream, value->items[i]);
        }
        fputs(value->kind == TOML_ARRAY ? "]" : " }", stream);
}

/* PREFIX."KEY" */
static char *inner_name(const char *prefix, const char *key)
{
        _cleanup_free_ char *name = NULL;
        size_t size;
        FILE *stream = open_memstream(&name, &size);

        if (!stream)
                return NULL;
        fprintf(stream, "%s.", prefix);
        toml_write_string(stream, key);
        return fclose(stream) == 0 ? TAKE_PTR(name) : NULL;
}

int toml_write_table(FILE *stream, const char *prefix, const struct toml_value *table)
{
        int r;

        fprintf(stream, "\n[%s]\n", prefix);
        for (size_t i = 0; i < table->count; i++) {
                const struct toml_value *item = table->items[i];

                if (item->kind == TOML_TABLE)
                        continue;
                toml_write_string(stream, item->key);
                fputs(" = ", stream);
                write_value(stream, item);
                fputc('\n', stream);
        }
        for (size_t i = 0; i < table->count; i++) {
                _cleanup_free_ char *name = NULL;

                if (table->items[i]->kind != TOML_TABLE)
                        continue;
                name = inner_name(prefix, table->items[i]->key);
                r = name ? toml_write_table(stream, name, table->items[i]) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}
