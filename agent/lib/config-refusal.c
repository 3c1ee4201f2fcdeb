/* SPDX-License-Identifier: Apache-2.0 */
#include "config-refusal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "command.h"

#define SHOWN_MAX 60 /* bytes of a value that are shown; escaping makes at most six of each */

/* How an identity of age begins; whoever takes one for a recipient shall not find it in the journal. */
#define AGE_IDENTITY "AGE-SECRET-KEY-"

struct line {
        char *buffer;
        size_t size, used;
};

/* Appends the whole text or nothing, so that no escape and no character is cut. */
static bool line_add(struct line *line, const char *text, size_t length)
{
        if (line->size - line->used <= length)
                return false;
        memcpy(line->buffer + line->used, text, length);
        line->used += length;
        line->buffer[line->used] = '\0';
        return true;
}

/* Takes the first character of a well-formed UTF-8 text; returns its length. */
static size_t decode(const char *text, unsigned *ret)
{
        const unsigned char *u = (const unsigned char *)text;
        size_t length = u[0] < 0x80 ? 1 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
        unsigned c = length == 1 ? u[0] : u[0] & (0x7Fu >> length);

        for (size_t i = 1; i < length; i++) {
                if ((u[i] & 0xC0) != 0x80) { /* not UTF-8 after all: one byte at a time */
                        *ret = u[0];
                        return 1;
                }
                c = c << 6 | (u[i] & 0x3F);
        }
        *ret = c;
        return length;
}

/* Control characters, and the format characters that hide or reorder what stands around them in a terminal.
 */
static bool garbles(unsigned c)
{
        return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
               (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
               (c >= 0xE0000 && c <= 0xE0FFF);
}

/* Appends up to SHOWN_MAX bytes of the text, then an ellipsis; the characters of `special` get what RFC 6901
 * or JSON put in their place from `replaced`. */
static void line_show(struct line *line, const char *text, size_t length, const char *special,
                      const char *const *replaced)
{
        size_t n;

        for (size_t i = 0; i < length; i += n) {
                char escape[16];
                const char *hit;
                unsigned c;

                n = decode(text + i, &c);
                if (i + n > SHOWN_MAX) {
                        line_add(line, "…", strlen("…"));
                        return;
                }

                hit = strchr(special, text[i]);
                if (hit)
                        line_add(line, replaced[hit - special], strlen(replaced[hit - special]));
                else if (garbles(c))
                        line_add(line, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
                else
                        line_add(line, text + i, n);
        }
}

static void line_add_place(struct line *line, const struct place *place)
{
        static const char *const replaced[] = { "~0", "~1" };
        char number[32];

        if (!place)
                return;
        line_add_place(line, place->parent);
        line_add(line, "/", 1);
        if (place->name)
                line_show(line, place->name, strlen(place->name), "~/", replaced);
        else
                line_add(line, number, (size_t)snprintf(number, sizeof(number), "%zu", place->index));
}

char *place_pointer(const struct place *place, char buffer[static POINTER_SIZE])
{
        struct line line = { .buffer = buffer, .size = POINTER_SIZE };

        buffer[0] = '\0';
        line_add_place(&line, place);
        return buffer;
}

char *show_string(const char *value, char buffer[static SHOWN_SIZE])
{
        static const char *const replaced[] = { "\\\"", "\\\\" };
        struct line line = { .buffer = buffer, .size = SHOWN_SIZE };
        const char *user_end = strrchr(value, '@'), *user = strstr(value, "://");
        size_t length = strlen(value);

        buffer[0] = '\0';
        line_add(&line, "\"", 1);
        user = user_end && user && user < user_end ? user + strlen("://") : value;
        if (user_end && (user > value || memchr(user, ':', (size_t)(user_end - user)))) {
                line_show(&line, value, (size_t)(user - value), "\"\\", replaced);
                line_add(&line, "…", strlen("…"));
                length -= (size_t)(user_end - value);
                value = user_end;
        } else if (strncmp(value, "-----BEGIN ", strlen("-----BEGIN ")) == 0 && strchr(value, '\n')) {
                length = (size_t)(strchr(value, '\n') - value);
        } else if (strncasecmp(value, AGE_IDENTITY, strlen(AGE_IDENTITY)) == 0) {
                length = strlen(AGE_IDENTITY);
        }
        line_show(&line, value, length, "\"\\", replaced);
        line_add(&line, "\"", 1);
        return buffer;
}

char *show_value(json_object *value, char buffer[static SHOWN_SIZE])
{
        struct line line = { .buffer = buffer, .size = SHOWN_SIZE };
        char shown[SHOWN_SIZE];
        const char *text = "null";

        buffer[0] = '\0';
        switch (json_object_get_type(value)) {
        case json_type_null:
                break;
        case json_type_boolean:
                text = json_object_get_boolean(value) ? "true" : "false";
                break;
        case json_type_int:
        case json_type_double:
                line_add(&line, "number ", strlen("number "));
                text = json_object_to_json_string(value);
                break;
        case json_type_string:
                line_add(&line, "string ", strlen("string "));
                text = show_string(json_object_get_string(value), shown);
                line_add(&line, text, strlen(text));
                return buffer;
        case json_type_array:
                text = "a list";
                break;
        case json_type_object:
                text = "an object";
                break;
        }
        line_show(&line, text, strlen(text), "", NULL);
        return buffer;
}

int refuse_at_place(struct failure *failure, const struct place *place, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        char pointer[POINTER_SIZE];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }

        if (!place)
                return failure_set(failure, -EINVAL, "InvalidConfiguration", "%s", text);
        return failure_set(failure, -EINVAL, "InvalidConfiguration", "%s: %s", place_pointer(place, pointer),
                           text);
}

const char *template_hint(const char *value)
{
        static const char *const marks[] = { "{{", "{%", "{#", "${" };

        for (size_t i = 0; i < ELEMENTS(marks); i++)
                if (strstr(value, marks[i]))
                        return "; it looks like an unexpanded template";
        return "";
}

/* " (an absolute path)": what the key's check asks for, as it says about the empty string (a map's asks
 * for its keys). */
static const char *check_text(const struct config_key *key, char buffer[static SHOWN_SIZE])
{
        const char *allowed = NULL;

        buffer[0] = '\0';
        if (key->kind != CONFIG_MAP && key->check && key->check("", &allowed) < 0 && allowed)
                snprintf(buffer, SHOWN_SIZE, " (%s)", allowed);
        return buffer;
}

int refuse_kind(const struct config_key *key, json_object *value, const struct place *place,
                const char *expected, struct failure *failure)
{
        char shown[SHOWN_SIZE], check[SHOWN_SIZE];

        return refuse_at_place(failure, place, "found %s; expected %s%s", show_value(value, shown), expected,
                               check_text(key, check));
}

int check_count(const struct config_key *key, size_t count, const char *what, const struct place *place,
                struct failure *failure)
{
        if (count < key->minimum && key->maximum == 0)
                return refuse_at_place(failure, place, "found %zu %s; expected at least %" PRIu64, count,
                                       what, key->minimum);
        if (count < key->minimum || (key->maximum > 0 && count > key->maximum))
                return refuse_at_place(failure, place, "found %zu %s; expected %" PRIu64 " to %" PRIu64,
                                       count, what, key->minimum, key->maximum);
        return 0;
}

/* "unknown …; did you mean "NEAREST"? (allowed: a, b)" for a key or the word of an enumeration. */
int refuse_unknown(const struct place *place, const char *what, const char *word, const char *const *names,
                   size_t n_names, struct failure *failure)
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
