/* SPDX-License-Identifier: Apache-2.0 */

#include "http-request.h"

#include <string.h>
#include <strings.h>

/* Blanks, the version and a method of any length that is in use. */
#define REQUEST_LINE_MAX (HTTP_TARGET_MAX + 64)

#define TOKEN_CHARACTERS "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

bool slice_equal(struct slice a, struct slice b)
{
        return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool slice_is(struct slice slice, const char *text)
{
        return slice_equal(slice, (struct slice){ text, strlen(text) });
}

bool slice_is_nocase(struct slice slice, const char *text)
{
        return slice.size == strlen(text) && strncasecmp(slice.at, text, slice.size) == 0;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice slice)
{
        while (slice.size > 0 && is_blank(slice.at[0])) {
                slice.at++;
                slice.size--;
        }
        while (slice.size > 0 && is_blank(slice.at[slice.size - 1]))
                slice.size--;
        return slice;
}

struct slice slice_cut(struct slice *rest, char separator)
{
        const char *end = rest->size > 0 ? memchr(rest->at, separator, rest->size) : NULL;
        struct slice part = { rest->at, end ? (size_t)(end - rest->at) : rest->size };
        size_t used = part.size + (end != NULL);

        rest->at += used;
        rest->size -= used;
        return part;
}

static bool is_token(struct slice slice)
{
        for (size_t i = 0; i < slice.size; i++)
                if (slice.at[i] == '\0' || !strchr(TOKEN_CHARACTERS, slice.at[i]))
                        return false;
        return slice.size > 0;
}

/* Visible characters, blanks, tabs and bytes above ASCII (RFC 9110, 5.5): no bare CR or LF and no NUL, over
 * which two readers of one header may disagree (request smuggling). */
static bool is_field_text(struct slice slice)
{
        for (size_t i = 0; i < slice.size; i++)
                if (((unsigned char)slice.at[i] < 0x20 && slice.at[i] != '\t') || slice.at[i] == 0x7F)
                        return false;
        return true;
}

/* Cuts the next line off, without its CR LF. The header is known to be whole. */
static struct slice cut_line(struct slice *rest)
{
        const char *end = memmem(rest->at, rest->size, "\r\n", 2);
        struct slice line = { rest->at, end ? (size_t)(end - rest->at) : rest->size };
        size_t used = line.size + (end ? 2 : 0);

        rest->at += used;
        rest->size -= used;
        return line;
}

/* RFC 9112, 3.2: "/path?query", or the absolute form that is meant for proxies and that servers have to
 * accept. */
static int parse_target(struct slice target, struct http_request *request)
{
        for (size_t i = 0; i < target.size; i++)
                if ((unsigned char)target.at[i] <= ' ' || (unsigned char)target.at[i] >= 0x7F)
                        return -400;
        if (target.size > HTTP_TARGET_MAX)
                return -414;

        if (target.size >= 8 && strncasecmp(target.at, "https://", 8) == 0) {
                const char *slash = memchr(target.at + 8, '/', target.size - 8);

                if (!slash || slash == target.at + 8)
                        return -400;
                target.size -= (size_t)(slash - target.at);
                target.at = slash;
        }
        if (target.size == 0 || target.at[0] != '/')
                return -400;

        request->query = target;
        request->path = slice_cut(&request->query, '?');
        return 0;
}

static int parse_version(struct slice version, struct http_request *request)
{
        if (version.size != 8 || memcmp(version.at, "HTTP/", 5) != 0 || version.at[6] != '.' ||
            version.at[5] < '0' || version.at[5] > '9' || version.at[7] < '0' || version.at[7] > '9')
                return -400;
        if (version.at[5] != '1')
                return -505;
        request->keep_alive = version.at[7] >= '1';
        return 0;
}

static int parse_request_line(struct slice line, struct http_request *request)
{
        struct slice method = slice_cut(&line, ' '), target = slice_cut(&line, ' ');
        int r;

        if (!is_token(method))
                return -400;
        r = parse_version(line, request);
        if (r < 0)
                return r;
        if (slice_is(method, "GET"))
                request->method = HTTP_GET;
        else if (slice_is(method, "HEAD"))
                request->method = HTTP_HEAD;
        else
                return -405;
        return parse_target(target, request);
}

/* No request here has a body, and one that announces some is not answered: its bytes would be taken for the
 * next request. */
static int check_length(struct slice value)
{
        size_t zeros = 0;

        for (size_t i = 0; i < value.size; i++) {
                if (value.at[i] < '0' || value.at[i] > '9')
                        return -400;
                zeros += value.at[i] == '0';
        }
        if (value.size == 0)
                return -400;
        return zeros == value.size ? 0 : -413;
}

static void read_connection(struct slice value, struct http_request *request)
{
        struct slice option;

        while (http_list_next(&value, &option)) {
                if (slice_is_nocase(option, "close"))
                        request->keep_alive = false;
                else if (slice_is_nocase(option, "keep-alive"))
                        request->keep_alive = true;
        }
}

static int parse_field(struct slice line, struct http_request *request, size_t *hosts)
{
        struct slice name = slice_cut(&line, ':'), value = slice_trim(line);

        /* Also refuses blanks in front of the colon and folded lines (RFC 9112, 5.1 and 5.2), and a line
         * without a colon, whose name would end where the line does. */
        if (!is_token(name) || line.at == name.at + name.size || !is_field_text(value))
                return -400;
        if (slice_is_nocase(name, "host"))
                (*hosts)++;
        else if (slice_is_nocase(name, "transfer-encoding"))
                return -400;
        else if (slice_is_nocase(name, "content-length"))
                return check_length(value);
        else if (slice_is_nocase(name, "connection"))
                read_connection(value, request);
        return 0;
}

static int parse_fields(struct http_request *request, bool host_required)
{
        struct slice rest = request->fields;
        size_t hosts = 0;
        int r;

        while (rest.size > 0) {
                r = parse_field(cut_line(&rest), request, &hosts);
                if (r < 0)
                        return r;
        }
        return hosts > 1 || (hosts == 0 && host_required) ? -400 : 0;
}

/* What can be said of a header that is not whole yet. */
static int judge_incomplete(struct slice header)
{
        struct slice rest = header;

        /* Lines that end without CR would never come to an end here: say so instead of waiting. */
        while (rest.size > 0) {
                struct slice line = slice_cut(&rest, '\n');

                if (rest.at != line.at + line.size && (line.size == 0 || line.at[line.size - 1] != '\r'))
                        return -400;
        }
        if (header.size > REQUEST_LINE_MAX && !memmem(header.at, REQUEST_LINE_MAX, "\r\n", 2))
                return -414;
        return 0;
}

int http_request_parse(const char *bytes, size_t size, struct http_request *ret)
{
        struct http_request request = {};
        struct slice rest;
        size_t start = 0;
        const char *end;
        bool needs_host;
        int r;

        /* RFC 9112, 2.2: empty lines in front of a request are skipped. */
        while (size - start >= 2 && memcmp(bytes + start, "\r\n", 2) == 0)
                start += 2;
        end = memmem(bytes + start, size - start, "\r\n\r\n", 4);
        if (!end) {
                r = judge_incomplete((struct slice){ bytes + start, size - start });
                return r == 0 && size >= HTTP_HEADER_MAX ? -431 : r;
        }
        if ((size_t)(end - bytes) + 4 > HTTP_HEADER_MAX)
                return -431;

        rest = (struct slice){ bytes + start, (size_t)(end - bytes) - start };
        r = parse_request_line(cut_line(&rest), &request);
        if (r < 0)
                return r;
        needs_host = request.keep_alive; /* both are what HTTP/1.1 has over 1.0 */
        request.fields = rest;
        r = parse_fields(&request, needs_host);
        if (r < 0)
                return r;

        *ret = request;
        return (int)(end - bytes) + 4;
}

bool http_field_next(struct slice *cursor, const char *name, struct slice *ret)
{
        while (cursor->size > 0) {
                struct slice value = cut_line(cursor), found = slice_cut(&value, ':');

                if (!slice_is_nocase(found, name))
                        continue;
                *ret = slice_trim(value);
                return true;
        }
        return false;
}

bool http_list_next(struct slice *cursor, struct slice *ret)
{
        while (cursor->size > 0) {
                struct slice element = { cursor->at, 0 };
                bool quoted = false;

                for (; element.size < cursor->size; element.size++) {
                        char c = element.at[element.size];

                        if (c == ',' && !quoted)
                                break;
                        quoted ^= c == '"';
                }
                cursor->at += element.size;
                cursor->size -= element.size;
                if (cursor->size > 0) {
                        cursor->at++;
                        cursor->size--;
                }
                element = slice_trim(element);
                if (element.size == 0)
                        continue;
                *ret = element;
                return true;
        }
        return false;
}

bool http_query_value(const struct http_request *request, const char *key, struct slice *ret)
{
        struct slice rest = request->query;

        while (rest.size > 0) {
                struct slice value = slice_cut(&rest, '&'), name = slice_cut(&value, '=');

                if (!slice_is(name, key))
                        continue;
                *ret = value;
                return true;
        }
        return false;
}
