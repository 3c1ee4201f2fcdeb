/* SPDX-License-Identifier: Apache-2.0 */

#include "toml-scan.h"

#include <string.h>

#include "utf8.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

int toml_refuse(struct toml_scanner *scanner, const char *what)
{
        return failure_set(scanner->failure, -EINVAL, "InvalidTOML", "line %u: %s", scanner->line, what);
}

static size_t left(const struct toml_scanner *scanner)
{
        return (size_t)(scanner->end - scanner->at);
}

static bool begins(const struct toml_scanner *scanner, const char *text)
{
        return left(scanner) >= strlen(text) && memcmp(scanner->at, text, strlen(text)) == 0;
}

bool toml_take(struct toml_scanner *scanner, char c)
{
        if (scanner->at == scanner->end || *scanner->at != c)
                return false;
        scanner->at++;
        return true;
}

void toml_skip_blanks(struct toml_scanner *scanner)
{
        while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\t'))
                scanner->at++;
}

/* What a comment or a string may not hold as it is. */
static bool is_control(char c)
{
        return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7F;
}

static int check_utf8(struct toml_scanner *scanner, const char *text, size_t size)
{
        for (size_t i = 0, n; i < size; i += n) {
                n = utf8_length(text + i, text + size);
                if (n == 0)
                        return toml_refuse(scanner, "bytes that are not UTF-8");
        }
        return 0;
}

static int skip_comment(struct toml_scanner *scanner)
{
        const char *start = scanner->at;

        if (!toml_take(scanner, '#'))
                return 0;
        while (scanner->at < scanner->end && *scanner->at != '\n') {
                if (is_control(*scanner->at) && !(*scanner->at == '\r' && begins(scanner, "\r\n")))
                        return toml_refuse(scanner, "a control character in a comment");
                scanner->at++;
        }
        return check_utf8(scanner, start, (size_t)(scanner->at - start));
}

static bool take_newline(struct toml_scanner *scanner)
{
        if (begins(scanner, "\r\n"))
                scanner->at++;
        if (!toml_take(scanner, '\n'))
                return false;
        scanner->line++;
        return true;
}

int toml_skip_lines(struct toml_scanner *scanner)
{
        do {
                int r;

                toml_skip_blanks(scanner);
                r = skip_comment(scanner);
                if (r < 0)
                        return r;
        } while (take_newline(scanner));
        return 0;
}

int toml_end_line(struct toml_scanner *scanner)
{
        int r;

        toml_skip_blanks(scanner);
        r = skip_comment(scanner);
        if (r < 0)
                return r;
        if (scanner->at < scanner->end && !take_newline(scanner))
                return toml_refuse(scanner, "something behind the value");
        return 0;
}

/* ---- strings ---- */

/* The size of a string's inside, up to its closing quotes. */
static int find_quotes(struct toml_scanner *scanner, const char *quotes, size_t *ret)
{
        size_t n = strlen(quotes), i = 0;

        while (i + n <= left(scanner)) {
                if (memcmp(scanner->at + i, quotes, n) == 0) {
                        /* One or two more quotes belong to a text of several lines. */
                        for (size_t k = 0; n == 3 && k < 2 && i + n < left(scanner); k++)
                                i += scanner->at[i + n] == quotes[0];
                        *ret = i;
                        return 0;
                }
                if (n == 1 && scanner->at[i] == '\n')
                        break;
                i += quotes[0] == '"' && scanner->at[i] == '\\' ? 2 : 1;
        }
        return toml_refuse(scanner, "a string that does not end");
}

static int hex_digits(const char *text, size_t n, uint32_t *ret)
{
        uint32_t value = 0;

        for (size_t i = 0; i < n; i++) {
                const char *digits = "0123456789abcdef0123456789ABCDEF";
                const char *at = text[i] ? strchr(digits, text[i]) : NULL;

                if (!at)
                        return -EINVAL;
                value = value << 4 | (uint32_t)((at - digits) & 15);
        }
        *ret = value;
        return 0;
}

/* Decodes what follows a backslash: `*in` moves behind it, `*out` behind what it stands for. */
static int decode_escape(struct toml_scanner *scanner, const char **in, const char *end, char **out,
                         bool lines)
{
        static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
        const char *letter = *in < end && **in ? strchr(letters, **in) : NULL;
        char bytes[4];
        size_t digits;
        uint32_t c;

        if (letter) {
                *(*out)++ = meanings[letter - letters];
                (*in)++;
                return 0;
        }
        /* A backslash at the end of a line swallows all blanks up to the next word. */
        if (lines && *in < end && strchr(" \t\r\n", **in) && **in) {
                const char *at = *in + strspn(*in, " \t\r");

                if (at >= end || *at != '\n')
                        return toml_refuse(scanner, "a backslash before blanks");
                while (at < end && *at && strchr(" \t\r\n", *at))
                        at++;
                *in = at;
                return 0;
        }
        digits = *in < end && **in == 'u' ? 4 : *in < end && **in == 'U' ? 8 : 0;
        if (digits == 0 || (size_t)(end - *in) < digits + 1 || hex_digits(*in + 1, digits, &c) < 0)
                return toml_refuse(scanner, "an escape that TOML does not know");
        if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
                return toml_refuse(scanner, "an escape that is no character");
        *in += digits + 1;
        digits = utf8_put(c, bytes);
        memcpy(*out, bytes, digits);
        *out += digits;
        return 0;
}

static int decode(struct toml_scanner *scanner, const char *in, size_t size, bool escapes, bool lines,
                  char **ret)
{
        _cleanup_free_ char *text = malloc(size + 1); /* no escape is shorter than what it stands for */
        const char *end = in + size;
        char *out = text;
        int r;

        if (!text)
                return -ENOMEM;
        r = check_utf8(scanner, in, size);
        if (r < 0)
                return r;
        while (in < end) {
                if (escapes && *in == '\\') {
                        in++;
                        r = decode_escape(scanner, &in, end, &out, lines);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (is_control(*in) &&
                    !(lines && (*in == '\n' || (*in == '\r' && in + 1 < end && in[1] == '\n'))))
                        return toml_refuse(scanner, "a control character in a string");
                *out++ = *in++;
        }
        *out = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

static int scan_string(struct toml_scanner *scanner, bool lines_allowed, char **ret)
{
        const char quote[] = { *scanner->at, '\0' }, three[] = { quote[0], quote[0], quote[0], '\0' };
        bool lines = begins(scanner, three);
        size_t size = 0;
        int r;

        if (lines && !lines_allowed)
                return toml_refuse(scanner, "a key of several lines");
        scanner->at += lines ? 3 : 1;
        if (lines)
                take_newline(scanner);
        r = find_quotes(scanner, lines ? three : quote, &size);
        if (r >= 0)
                r = decode(scanner, scanner->at, size, quote[0] == '"', lines, ret);
        if (r < 0)
                return r;
        for (size_t i = 0; i < size; i++)
                scanner->line += scanner->at[i] == '\n';
        scanner->at += size + (lines ? 3 : 1);
        return 0;
}

/* ---- keys and scalars ---- */

static size_t span(const struct toml_scanner *scanner, const char *accepted)
{
        size_t n = 0;

        while (n < left(scanner) && scanner->at[n] && strchr(accepted, scanner->at[n]))
                n++;
        return n;
}

int toml_scan_key(struct toml_scanner *scanner, char **ret)
{
        size_t n;

        if (begins(scanner, "\"") || begins(scanner, "'"))
                return scan_string(scanner, false, ret);
        n = span(scanner, LETTERS DIGITS "_-");
        if (n == 0)
                return toml_refuse(scanner, "a key is missing");
        *ret = strndup(scanner->at, n);
        if (!*ret)
                return -ENOMEM;
        scanner->at += n;
        return 0;
}

static bool is_integer(const char *text)
{
        const char *digits = text + strspn(text, "+-");

        return digits - text <= 1 && *digits && strspn(digits, DIGITS) == strlen(digits) &&
               (digits[0] != '0' || digits[1] == '\0');
}

/* Numbers of other bases, floats and dates: passed on as they are, so only their characters count. */
static bool is_plain(const char *text)
{
        const char *first = text + strspn(text, "+-");

        return first - text <= 1 &&
               ((*first >= '0' && *first <= '9') || strcmp(first, "inf") == 0 || strcmp(first, "nan") == 0);
}

int toml_scan_scalar(struct toml_scanner *scanner, enum toml_kind *ret_kind, char **ret_text)
{
        _cleanup_free_ char *text = NULL;
        size_t n;

        if (begins(scanner, "\"") || begins(scanner, "'")) {
                *ret_kind = TOML_STRING;
                return scan_string(scanner, true, ret_text);
        }
        n = span(scanner, LETTERS DIGITS "+-_.:");
        text = strndup(scanner->at, n);
        if (!text)
                return -ENOMEM;
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
                *ret_kind = TOML_BOOL;
        else if (is_integer(text))
                *ret_kind = TOML_INTEGER;
        else if (is_plain(text))
                *ret_kind = TOML_OTHER;
        else
                return toml_refuse(scanner, "a value is missing, or is none");
        scanner->at += n;
        *ret_text = TAKE_PTR(text);
        return 0;
}
