/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The header of an HTTP/1.x request (RFC 9112), read from the bytes of a client: GET and HEAD, no body. Pure
 * functions over bytes; what they return points into these. */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

#define HTTP_HEADER_MAX (8 * 1024) /* enough for any client's Accept and User-Agent; curl sends 100 bytes */
#define HTTP_TARGET_MAX 2048       /* the longest one here is /v1/conditions/TYPE with a type of 128 bytes */

struct slice {
        const char *at;
        size_t size;
};

enum http_method { HTTP_GET, HTTP_HEAD };

struct http_request {
        enum http_method method;
        struct slice path;   /* as sent: no escape is decoded, because no path here needs one */
        struct slice query;  /* behind the question mark; size 0: none */
        struct slice fields; /* the lines behind the request line, for http_field_next */
        bool keep_alive;
};

/* Reads one request at the start of the bytes received so far. Returns the number of bytes of its header, 0
 * when more bytes have to come, or, for a request that is refused, the negative HTTP status to refuse it
 * with: 400, 405, 413, 414, 431, 505. Behind a refused request the connection's bytes have no meaning. */
int http_request_parse(const char *bytes, size_t size, struct http_request *ret);

/* The next value of the field (name in small letters), from a *cursor that starts as request->fields. */
bool http_field_next(struct slice *cursor, const char *name, struct slice *ret);

/* The next element of a comma-separated list (RFC 9110, 5.6.1), trimmed, never empty; commas within quotes
 * do not separate. */
bool http_list_next(struct slice *cursor, struct slice *ret);

/* The value of a key of the query, empty for a key without one. The first of several counts. */
bool http_query_value(const struct http_request *request, const char *key, struct slice *ret);

bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice slice, const char *text);
bool slice_is_nocase(struct slice slice, const char *text);
/* Without blanks and tabs on both ends. */
struct slice slice_trim(struct slice slice);
/* Cuts the part in front of the separator off *rest and returns it; all of *rest when there is none. */
struct slice slice_cut(struct slice *rest, char separator);
