/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/gateway/http-fields.c"
#include "../../agent/gateway/http-request.c"

#include "fuzz.h"

static void promise_within(struct slice slice, const char *bytes, size_t size)
{
        if (slice.size > 0)
                PROMISE(slice.at >= bytes && slice.at + slice.size <= bytes + size);
}

static void read_fields(const struct http_request *request, const char *bytes, size_t size)
{
        struct slice cursor = request->fields, value;

        (void)http_is_conditional(request);
        (void)http_prefers_openmetrics(request);
        (void)http_lists_etag(request, "W/\"0b5c1f6a-1\"");
        if (http_query_value(request, "wait", &value))
                promise_within(value, bytes, size);
        while (http_field_next(&cursor, "accept", &value)) {
                struct slice element;

                promise_within(value, bytes, size);
                while (http_list_next(&value, &element)) {
                        PROMISE(element.size > 0);
                        promise_within(element, bytes, size);
                }
        }
}

/* A request that is taken lies within its bytes, is the same whatever follows it, and was not one a byte
 * before; one that is refused is so with a status that exists. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const int refusals[] = { -400, -405, -413, -414, -431, -505 };
        const char *bytes = (const char *)data;
        struct http_request request, again;
        int r = http_request_parse(bytes, size, &request);

        if (r < 0) {
                size_t i = 0;

                while (i < ELEMENTS(refusals) && refusals[i] != r)
                        i++;
                PROMISE(i < ELEMENTS(refusals));
        }
        if (r <= 0)
                return 0;

        PROMISE((size_t)r <= size && r <= HTTP_HEADER_MAX);
        PROMISE(request.path.size > 0 && request.path.at[0] == '/');
        promise_within(request.path, bytes, (size_t)r);
        promise_within(request.query, bytes, (size_t)r);
        promise_within(request.fields, bytes, (size_t)r);
        PROMISE(http_request_parse(bytes, (size_t)r, &again) == r);
        PROMISE(http_request_parse(bytes, (size_t)r - 1, &again) == 0);
        read_fields(&request, bytes, (size_t)r);
        return 0;
}
