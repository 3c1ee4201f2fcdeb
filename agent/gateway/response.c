/* SPDX-License-Identifier: Apache-2.0 */

#include "response.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "quantity.h"
#include "statistics.h"

void response_clear(struct response *response)
{
        body_unref(response->body);
        *response = (struct response){};
}

int response_set_text(struct response *response, unsigned status, const char *type, const char *text,
                      size_t size)
{
        struct body *body = body_new(text, size);

        if (!body)
                return -ENOMEM;
        response_clear(response);
        *response = (struct response){ .status = status, .type = type, .body = body };
        return 0;
}

int response_set_error(struct response *response, unsigned status, const char *message, const char *key,
                       json_object *list)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        int r;

        r = object ? json_set_string(object, "error", message) : -ENOMEM;
        if (r >= 0 && key)
                r = json_set(object, key, list);
        else
                json_object_put(list);
        if (r < 0)
                return r;
        if (asprintf(&text, "%s\n",
                     json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE)) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return response_set_text(response, status, "application/json", text, strlen(text));
}

/* Appends to the header; it always fits, because every part is bounded (RESPONSE_HEADER_MAX says so in the
 * test of the longest one). */
static void _printf_(3, 4) add(char *buffer, size_t *size, const char *format, ...)
{
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(buffer + *size, RESPONSE_HEADER_MAX - *size, format, arguments);
        va_end(arguments);
        if (n > 0)
                *size += (size_t)n;
        if (*size >= RESPONSE_HEADER_MAX)
                *size = RESPONSE_HEADER_MAX - 1;
}

static void add_date(char *buffer, size_t *size)
{
        time_t now = time(NULL);
        char date[64];
        struct tm tm;

        /* The C locale's names are what RFC 9110, 5.6.7 wants; this program sets no other. */
        if (gmtime_r(&now, &tm) && strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
                add(buffer, size, "Date: %s\r\n", date);
}

size_t response_write_header(const struct response *response, bool keep_alive,
                             char buffer[static RESPONSE_HEADER_MAX])
{
        const struct http_status *status = &http_statuses[http_status_index(response->status)];
        size_t size = 0;

        add(buffer, &size, "HTTP/1.1 %u %s\r\n", status->code, status->phrase);
        add_date(buffer, &size);
        if (response->type)
                add(buffer, &size, "Content-Type: %s\r\nContent-Length: %zu\r\n", response->type,
                    response->body->size);
        if (response->status == 405)
                add(buffer, &size, "Allow: GET, HEAD\r\n");
        if (response->retry_after_usec > 0)
                add(buffer, &size, "Retry-After: %" PRIu64 "\r\n",
                    response->retry_after_usec / USEC_PER_SEC + 1);
        if (response->etag[0])
                add(buffer, &size, "ETag: %s\r\n", response->etag);
        add(buffer, &size,
            "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nConnection: %s\r\n\r\n",
            keep_alive && !response->close ? "keep-alive" : "close");
        return size;
}
