/* SPDX-License-Identifier: Apache-2.0 */
#include "json-scan.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "json.h"
#include "utf8.h"

struct scanner {
        const char *at, *end;
        const char *line_start;
        unsigned line;
        bool may_be_twice; /* an object may have a key twice */
        bool find_twice;   /* looks for it, which takes longer than all else */
        struct failure *failure;
};

/* The keys of an object so far, as they are written. More than so many are left to the second look. */
#define KEYS_MAX 32

struct keys {
        struct {
                const char *at;
                size_t length;
        } items[KEYS_MAX];
        size_t count;
};

/* "LINE:COLUMN: text" for the given place in the current line. Columns count characters, not bytes. */
static int _printf_(3, 4) refuse_at(struct scanner *s, const char *place, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        unsigned column = 1;
        va_list ap;
        int n;

        for (const char *p = s->line_start; p < place; p++)
                if (((unsigned char)*p & 0xC0) != 0x80)
                        column++;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }

        return failure_set(s->failure, -EINVAL, "InvalidJSON", "%u:%u: %s", s->line, column, text);
}

#define refuse(s, ...) refuse_at((s), (s)->at, __VA_ARGS__)

static bool starts_with(const struct scanner *s, const char *word)
{
        size_t length = strlen(word);

        return (size_t)(s->end - s->at) >= length && memcmp(s->at, word, length) == 0;
}

/* The word or character at the scanner, for a message: 'x' in quotes, or its number when it does not print.
 */
static const char *found(const struct scanner *s, char buffer[static 32])
{
        unsigned char c;
        int n = 0;

        if (s->at == s->end)
                return "the end of the text";

        c = (unsigned char)*s->at;
        if (c <= ' ' || c >= 0x7F) {
                snprintf(buffer, 32, "byte 0x%02X", c);
                return buffer;
        }
        while (n < 20 && s->at + n < s->end && strchr("+-._", s->at[n]) && s->at[n] != '\0')
                n++;
        while (n < 20 && s->at + n < s->end &&
               ((s->at[n] >= '0' && s->at[n] <= '9') ||
                ((s->at[n] | 0x20) >= 'a' && (s->at[n] | 0x20) <= 'z') || s->at[n] == '.' || s->at[n] == '_'))
                n++;
        snprintf(buffer, 32, "'%.*s'", n > 0 ? n : 1, s->at);
        return buffer;
}

static void skip_space(struct scanner *s)
{
        const char *at = s->at;

        for (; at < s->end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'); at++)
                if (*at == '\n') {
                        s->line++;
                        s->line_start = at + 1;
                }
        s->at = at;
}

static bool is_template(const struct scanner *s)
{
        return starts_with(s, "{{") || starts_with(s, "{%") || starts_with(s, "${");
}

/* Mistakes that other notations teach, named as what they are. Anything else: what was found and what belongs
 * here. */
static int refuse_found(struct scanner *s, const char *expected)
{
        char buffer[32];

        if (starts_with(s, "//") || starts_with(s, "/*") || starts_with(s, "#"))
                return refuse(s, "JSON has no comments; remove it");
        if (is_template(s))
                return refuse(s, "'%.2s' looks like an unexpanded template; expected %s", s->at, expected);
        if (starts_with(s, "'"))
                return refuse(s, "found a single quote; strings take double quotes");
        return refuse(s, "found %s; expected %s", found(s, buffer), expected);
}

/* Four hexadecimal digits behind "\u", or -1. */
static int hex4(const struct scanner *s)
{
        int value = 0;

        if (s->end - s->at < 6)
                return -1;
        for (int i = 2; i < 6; i++) {
                char c = s->at[i];

                if (c >= '0' && c <= '9')
                        value = value * 16 + (c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        value = value * 16 + ((c | 0x20) - 'a' + 10);
                else
                        return -1;
        }
        return value;
}

/* Only keys are of interest for what they stand for; a string that is scanned for its form has no out. */
static void put(FILE *out, const char *bytes, size_t length)
{
        if (out)
                (void)fwrite(bytes, 1, length, out);
}

static void put_utf8(FILE *out, unsigned c)
{
        char bytes[4];
        size_t length = utf8_put(c, bytes);

        put(out, bytes, length);
}

/* "\uXXXX", or two of them that make one character outside the Basic Multilingual Plane. */
static int scan_unicode(struct scanner *s, FILE *out)
{
        int first = hex4(s), second;

        if (first < 0)
                return refuse(s, "\"\\u\" takes four hexadecimal digits");
        if (first == 0)
                return refuse(s, "NUL character in a string");
        if (first < 0xD800 || first > 0xDFFF) {
                put_utf8(out, (unsigned)first);
                s->at += 6;
                return 0;
        }

        if (first > 0xDBFF)
                return refuse(s, "half of a surrogate pair in a string");
        s->at += 6;
        second = starts_with(s, "\\u") ? hex4(s) : -1;
        if (second < 0xDC00 || second > 0xDFFF)
                return refuse(s, "half of a surrogate pair in a string");
        put_utf8(out, 0x10000 + ((unsigned)(first - 0xD800) << 10) + (unsigned)(second - 0xDC00));
        s->at += 6;
        return 0;
}

static int scan_escape(struct scanner *s, FILE *out)
{
        static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        const char *letter;

        if (s->end - s->at < 2)
                return refuse(s, "the text ends inside a string");
        if (s->at[1] == 'u')
                return scan_unicode(s, out);

        letter = s->at[1] != '\0' ? strchr(letters, s->at[1]) : NULL;
        if (!letter)
                return refuse(s, "unknown escape in a string; a backslash itself is written \"\\\\\"");
        put(out, &values[letter - letters], 1);
        s->at += 2;
        return 0;
}

static bool is_plain(char c)
{
        return c >= ' ' && c != '"' && c != '\\' && (unsigned char)c < 0x80;
}

/* Most of most strings. */
static void scan_plain(struct scanner *s, FILE *out)
{
        const char *at = s->at;

        while (at < s->end && is_plain(*at))
                at++;
        put(out, s->at, (size_t)(at - s->at));
        s->at = at;
}

/* Scans a string and writes what it stands for to out. */
static int scan_string(struct scanner *s, FILE *out)
{
        const char *start = s->at++;
        size_t length;
        int r;

        for (scan_plain(s, out); s->at < s->end; scan_plain(s, out)) {
                unsigned char c = (unsigned char)*s->at;

                if (c == '"') {
                        s->at++;
                        return 0;
                }
                if (c == '\n')
                        return refuse_at(
                                s, start,
                                "this string is not closed on its line; a line break is written \"\\n\"");
                if (c == '\0')
                        return refuse(s, "NUL byte in a string");
                if (c < ' ')
                        return refuse(s, "control character 0x%02X in a string; write it \"\\u%04x\"", c, c);
                if (c == '\\') {
                        r = scan_escape(s, out);
                        if (r < 0)
                                return r;
                        continue;
                }
                length = utf8_length(s->at, s->end);
                if (length == 0)
                        return refuse(s, "byte 0x%02X is not UTF-8", c);
                put(out, s->at, length);
                s->at += length;
        }
        return refuse_at(s, start, "this string is never closed");
}

static bool digit_at(const struct scanner *s)
{
        return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static void skip_digits(struct scanner *s)
{
        while (digit_at(s))
                s->at++;
}

/* So few digits fit into 64 bits, and so many without an exponent into a double. */
#define DIGITS_OF_INTEGER 18
#define DIGITS_OF_DOUBLE  300

/* json-c silently takes the largest integer or infinity for a number that does not fit. */
static int check_magnitude(struct scanner *s, const char *start, bool integer, bool exponent)
{
        _cleanup_free_ char *copy = NULL;

        if (!exponent && s->at - start <= (integer ? DIGITS_OF_INTEGER : DIGITS_OF_DOUBLE))
                return 0;
        copy = strndup(start, (size_t)(s->at - start));
        if (!copy)
                return -ENOMEM;
        errno = 0;
        if (!integer)
                errno = isfinite(strtod(copy, NULL)) ? 0 : ERANGE;
        else if (*copy == '-')
                strtoll(copy, NULL, 10);
        else
                strtoull(copy, NULL, 10);
        if (errno == ERANGE)
                return refuse_at(s, start, "this number is too large");
        return 0;
}

static int scan_number(struct scanner *s)
{
        const char *start = s->at;
        bool integer = true, exponent = false;

        if (*s->at == '-')
                s->at++;
        if (!digit_at(s))
                return refuse_found(s, "a digit");
        if (*s->at == '0' && s->end - s->at > 1 && s->at[1] >= '0' && s->at[1] <= '9')
                return refuse_at(s, start, "a number has no leading zeros");
        skip_digits(s);

        if (s->at < s->end && *s->at == '.') {
                integer = false;
                s->at++;
                if (!digit_at(s))
                        return refuse_found(s, "a digit behind the decimal point");
                skip_digits(s);
        }
        if (s->at < s->end && (*s->at | 0x20) == 'e') {
                integer = false;
                exponent = true;
                s->at++;
                if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
                        s->at++;
                if (!digit_at(s))
                        return refuse_found(s, "the exponent's digits");
                skip_digits(s);
        }
        return check_magnitude(s, start, integer, exponent);
}

static int scan_value(struct scanner *s, unsigned depth);

/* Behind an element: the comma before the next one (1), the closing bracket (0), or an error. `opened` is the
 * line of the opening bracket, which is what one looks for when the closing one is missing. */
static int scan_separator(struct scanner *s, char closing, const char *what, unsigned opened)
{
        skip_space(s);
        if (s->at == s->end)
                return refuse(s, "the text ends inside the %s that line %u opens", what, opened);
        if (*s->at == closing) {
                s->at++;
                return 0;
        }
        if (*s->at != ',')
                return refuse_found(s, closing == '}' ? "',' or '}'" : "',' or ']'");

        s->at++;
        skip_space(s);
        if (s->at < s->end && *s->at == closing)
                return refuse(s, "found '%c' behind a comma; remove the comma", closing);
        return 1;
}

static int scan_array(struct scanner *s, unsigned depth)
{
        unsigned opened = s->line;
        int r;

        s->at++;
        skip_space(s);
        if (s->at < s->end && *s->at == ']') {
                s->at++;
                return 0;
        }
        do {
                r = scan_value(s, depth + 1);
                if (r < 0)
                        return r;
                r = scan_separator(s, ']', "list", opened);
        } while (r > 0);
        return r;
}

/* Enters a key in seen (key: line), in which it must not be yet. Keys are compared as what they stand for:
 * "a" and "\u0061" are one. */
static int scan_unseen(struct scanner *s, json_object *seen)
{
        _cleanup_free_ char *key = NULL;
        _cleanup_(fclosep) FILE *out = NULL;
        const char *start = s->at;
        json_object *before;
        size_t size;
        int r;

        out = open_memstream(&key, &size);
        if (!out)
                return -ENOMEM;
        r = scan_string(s, out);
        if (r < 0)
                return r;
        if (fclose(TAKE_PTR(out)) != 0)
                return -ENOMEM;

        if (json_object_object_get_ex(seen, key, &before))
                return refuse_at(s, start, "this key is here twice; line %d has it already",
                                 json_object_get_int(before));
        return json_set_integer(seen, key, s->line);
}

/* Whether the key that ends here may be one of those before it. An escape may stand for anything. */
static bool may_be_twice(const struct scanner *s, const char *key, struct keys *keys)
{
        const size_t length = (size_t)(s->at - key);

        if (keys->count == KEYS_MAX || memchr(key, '\\', length))
                return true;
        for (size_t i = 0; i < keys->count; i++)
                if (keys->items[i].length == length && memcmp(keys->items[i].at, key, length) == 0)
                        return true;
        keys->items[keys->count].at = key;
        keys->items[keys->count++].length = length;
        return false;
}

static int scan_key(struct scanner *s, json_object *seen, struct keys *keys)
{
        const char *start = s->at;
        int r;

        if (s->at == s->end || *s->at != '"')
                return refuse_found(s, "a key in double quotes");
        r = seen ? scan_unseen(s, seen) : scan_string(s, NULL);
        if (r < 0)
                return r;
        s->may_be_twice = s->may_be_twice || may_be_twice(s, start, keys);

        skip_space(s);
        if (s->at == s->end || *s->at != ':')
                return refuse_found(s, "':' behind the key");
        s->at++;
        return 0;
}

static int scan_object(struct scanner *s, unsigned depth)
{
        _cleanup_json_ json_object *seen = s->find_twice ? json_object_new_object() : NULL;
        unsigned opened = s->line;
        struct keys keys;
        int r;

        keys.count = 0;
        if (s->find_twice && !seen)
                return -ENOMEM;

        s->at++;
        skip_space(s);
        if (s->at < s->end && *s->at == '}') {
                s->at++;
                return 0;
        }
        do {
                r = scan_key(s, seen, &keys);
                if (r < 0)
                        return r;
                r = scan_value(s, depth + 1);
                if (r < 0)
                        return r;
                r = scan_separator(s, '}', "object", opened);
        } while (r > 0);
        return r;
}

static int scan_literal(struct scanner *s)
{
        static const char *const literals[] = { "true", "false", "null" };

        for (size_t i = 0; i < ELEMENTS(literals); i++)
                if (starts_with(s, literals[i])) {
                        s->at += strlen(literals[i]);
                        return 0;
                }
        return refuse_found(s, "a value: \"string\", number, true, false, null, { or [");
}

static int scan_value(struct scanner *s, unsigned depth)
{
        skip_space(s);
        if (s->at == s->end)
                return refuse(s, "the text ends where a value is expected");
        switch (*s->at) {
        case '{':
        case '[':
                if (is_template(s))
                        return refuse_found(s, "a value");
                if (depth >= JSON_DEPTH_MAX)
                        return refuse(s, "nested deeper than %d levels", JSON_DEPTH_MAX);
                return *s->at == '{' ? scan_object(s, depth) : scan_array(s, depth);
        case '"':
                return scan_string(s, NULL);
        case '-':
        case '0' ... '9':
                return scan_number(s);
        default:
                return is_template(s) ? refuse_found(s, "a value") : scan_literal(s);
        }
}

static int scan(struct scanner *s, size_t size)
{
        int r;

        if (size > INT32_MAX)
                return refuse(s, "is larger than 2 GiB");
        if (starts_with(s, "\xEF\xBB\xBF"))
                return refuse(s, "starts with a byte order mark; save without BOM");
        if (starts_with(s, "\xFF\xFE") || starts_with(s, "\xFE\xFF"))
                return refuse(s, "is UTF-16; save as UTF-8");

        skip_space(s);
        if (s->at == s->end)
                return refuse(s, "is empty; expected a JSON value, at least {}");
        r = scan_value(s, 0);
        if (r < 0)
                return r;
        skip_space(s);
        if (s->at < s->end)
                return refuse_found(s, "the end of the text");
        return 0;
}

int json_scan(const char *text, size_t size, struct failure *failure)
{
        const struct scanner start = {
                .at = text, .end = text + size, .line_start = text, .line = 1, .failure = failure
        };
        struct scanner scanner = start;
        int r;

        r = scan(&scanner, size);
        if (r < 0 || !scanner.may_be_twice)
                return r;
        scanner = start;
        scanner.find_twice = true;
        return scan(&scanner, size);
}
