/* SPDX-License-Identifier: Apache-2.0 */

#include "headers-file.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"

/* tchar of RFC 9110. */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

void headers_free(struct mirror_header *headers, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                free(headers[i].name);
                if (headers[i].value)
                        explicit_bzero(headers[i].value, strlen(headers[i].value));
                free(headers[i].value);
        }
        free(headers);
}

static int refuse(struct failure *failure, const char *path, size_t line, const char *what)
{
        return failure_set(failure, -EINVAL, "InvalidHeaders", "%s: line %zu %s", path, line, what);
}

/* containerd uses the name as it stands, beside what Go's client sets under its own spelling: so this is that
 * spelling (net/textproto: CanonicalMIMEHeaderKey). */
static void spell(char *name)
{
        bool upper = true;

        for (; *name; name++) {
                *name = (char)(upper ? toupper((unsigned char)*name) : tolower((unsigned char)*name));
                upper = *name == '-';
        }
}

static bool is_reserved(const char *name)
{
        static const char *const reserved[] = { "Accept", "Connection", "Content-Length",   "Content-Type",
                                                "Host",   "Range",      "Transfer-Encoding" };

        for (size_t i = 0; i < ELEMENTS(reserved); i++)
                if (strcasecmp(name, reserved[i]) == 0)
                        return true;
        return false;
}

static const char *skip_blanks(const char *at, const char *end)
{
        while (at < end && (*at == ' ' || *at == '\t'))
                at++;
        return at;
}

static bool is_visible(const char *at, const char *end)
{
        for (; at < end; at++)
                if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7E)
                        return false;
        return true;
}

/* Takes the line apart into header; its members are set only when they are owned. */
static int parse_line(const char *path, size_t number, const char *line, const char *end,
                      struct mirror_header *header, struct failure *failure)
{
        const char *colon = memchr(line, ':', (size_t)(end - line)), *value;

        if (!colon || colon == line)
                return refuse(failure, path, number, "is not \"Name: value\"");
        header->name = strndup(line, (size_t)(colon - line));
        if (!header->name)
                return -ENOMEM;
        if (strlen(header->name) != (size_t)(colon - line) ||
            strspn(header->name, NAME_CHARACTERS) != strlen(header->name))
                return refuse(failure, path, number, "has no header's name before its colon");
        if (is_reserved(header->name))
                return refuse(failure, path, number, "names a header that containerd sets itself");
        spell(header->name);

        value = skip_blanks(colon + 1, end);
        while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
                end--;
        if (value == end || !is_visible(value, end))
                return refuse(failure, path, number,
                              "has an empty value, or one with characters that are not ASCII");
        header->value = strndup(value, (size_t)(end - value));
        return header->value ? 0 : -ENOMEM;
}

static bool is_known(const struct mirror_header *headers, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(headers[i].name, name) == 0)
                        return true;
        return false;
}

static int parse_lines(const char *path, const char *text, size_t size, struct mirror_header *headers,
                       size_t *count, struct failure *failure)
{
        size_t number = 0;

        for (const char *line = text, *end; line < text + size; line = end + 1) {
                int r;

                end = memchr(line, '\n', (size_t)(text + size - line));
                if (!end)
                        end = text + size;
                number++;
                if (skip_blanks(line, end) == end || *line == '#' || (end - line == 1 && *line == '\r'))
                        continue;
                if (*count == HEADERS_MAX)
                        return refuse(failure, path, number, "is one header too many; 32 are allowed");
                r = parse_line(path, number, line, end, &headers[(*count)++], failure);
                if (r < 0)
                        return r;
                if (is_known(headers, *count - 1, headers[*count - 1].name))
                        return refuse(failure, path, number, "names a header that an earlier line has");
        }
        return 0;
}

int headers_parse(const char *path, const char *text, size_t size, struct mirror_header **ret,
                  size_t *ret_count, struct failure *failure)
{
        struct mirror_header *headers = calloc(HEADERS_MAX, sizeof(*headers));
        size_t count = 0;
        int r;

        if (!headers)
                return -ENOMEM;
        r = parse_lines(path, text, size, headers, &count, failure);
        if (r < 0) {
                headers_free(headers, count);
                return r;
        }
        *ret = headers;
        *ret_count = count;
        return 0;
}

int header_line_add(char *lines[], const char *name, const char *value)
{
        size_t n = 0;

        while (lines[n])
                n++;
        if (asprintf(&lines[n], "%s: %s", name, value) < 0) {
                lines[n] = NULL;
                return -ENOMEM;
        }
        return 0;
}

void header_lines_clear(char *lines[])
{
        for (size_t i = 0; lines[i]; i++) {
                explicit_bzero(lines[i], strlen(lines[i]));
                free(lines[i]);
                lines[i] = NULL;
        }
}
