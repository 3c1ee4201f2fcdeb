/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "../../agent/gateway/http-fields.c"
#include "../../agent/gateway/http-request.c"

#define HOST "Host: node\r\n"

static void assert_slice(struct slice slice, const char *text)
{
        if (!slice_is(slice, text))
                fail_msg("\"%.*s\" instead of \"%s\"", (int)slice.size, slice.at, text);
}

static void reads_a_request_and_says_where_it_ends(void **state)
{
        static const char text[] = "GET /v1/health?wait=5&x HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\nGET /next";
        struct http_request request = {};
        struct slice value = {};

        assert_int_equal(http_request_parse(text, sizeof(text) - 1, &request),
                         sizeof(text) - 1 - strlen("GET /next"));
        assert_int_equal(request.method, HTTP_GET);
        assert_slice(request.path, "/v1/health");
        assert_slice(request.query, "wait=5&x");
        assert_true(request.keep_alive);
        assert_true(http_query_value(&request, "wait", &value));
        assert_slice(value, "5");
        assert_true(http_query_value(&request, "x", &value));
        assert_slice(value, "");
        assert_false(http_query_value(&request, "wai", &value));
}

static void asks_for_more_at_every_point_before_the_end(void **state)
{
        static const char text[] = "\r\nHEAD / HTTP/1.1\r\n" HOST "\r\n";
        struct http_request request;

        for (size_t size = 0; size < sizeof(text) - 1; size++)
                assert_int_equal(http_request_parse(text, size, &request), 0);
        assert_int_equal(http_request_parse(text, sizeof(text) - 1, &request), sizeof(text) - 1);
        assert_int_equal(request.method, HTTP_HEAD);
}

static const struct {
        const char *text;
        int result; /* 1: good */
} requests[] = {
        { "GET / HTTP/1.1\r\n" HOST "\r\n", 1 },
        { "GET / HTTP/1.9\r\n" HOST "\r\n", 1 },
        { "GET / HTTP/1.0\r\n\r\n", 1 },
        { "GET / HTTP/1.1\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nhOST:\r\n\r\n", 1 },
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400 },
        { "GET HTTPS://node:1/a HTTP/1.1\r\n" HOST "\r\n", 1 },
        { "GET https:///a HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET https://node HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET * HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET  / HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.1 \r\n" HOST "\r\n", -400 },
        { " GET / HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET /\xC3\xA4 HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/2.0\r\n" HOST "\r\n", -505 },
        { "GET / http/1.1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.10\r\n" HOST "\r\n", -400 },
        { "POST / HTTP/1.1\r\n" HOST "\r\n", -405 },
        { "G(T / HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "nocolon\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST ": empty\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "A: b\nc\r\n\r\n", -400 },
        { "GET / HTTP/1.1\n" HOST "\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 1 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 00\r\n\r\n", 1 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", -413 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 7\r\n\r\n", -413 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 0, 0\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", -400 },
};

static void refuses_what_two_readers_could_understand_differently(void **state)
{
        struct http_request request;

        for (size_t i = 0; i < ELEMENTS(requests); i++) {
                int r = http_request_parse(requests[i].text, strlen(requests[i].text), &request);

                if ((r > 0 ? 1 : r) != requests[i].result)
                        fail_msg("%s: %d", requests[i].text, r);
        }
}

static void keeps_the_connection_as_version_and_client_say(void **state)
{
        static const struct {
                const char *text;
                bool keep_alive;
        } cases[] = {
                { "GET / HTTP/1.1\r\n" HOST "\r\n", true },
                { "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false },
                { "GET / HTTP/1.1\r\n" HOST "Connection: upgrade, Close\r\n\r\n", false },
                { "GET / HTTP/1.0\r\n\r\n", false },
                { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
        };
        struct http_request request;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_true(http_request_parse(cases[i].text, strlen(cases[i].text), &request) > 0);
                assert_int_equal(request.keep_alive, cases[i].keep_alive);
        }
}

static void a_header_is_whole_within_8_kib_or_refused(void **state)
{
        static char filling[HTTP_HEADER_MAX + 1], text[2 * HTTP_HEADER_MAX];
        const int start = (int)strlen("GET / HTTP/1.1\r\n" HOST "X: ");
        struct http_request request;

        memset(filling, 'x', sizeof(filling) - 1);
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "X: %.*s\r\n\r\n",
                       HTTP_HEADER_MAX - start - 4, filling);
        assert_int_equal(http_request_parse(text, HTTP_HEADER_MAX - 1, &request), 0);
        assert_int_equal(http_request_parse(text, HTTP_HEADER_MAX, &request), HTTP_HEADER_MAX);
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "X: %.*s\r\n\r\n",
                       HTTP_HEADER_MAX - start - 3, filling);
        assert_int_equal(http_request_parse(text, HTTP_HEADER_MAX, &request), -431);
        assert_int_equal(http_request_parse(text, strlen(text), &request), -431);

        (void)snprintf(text, sizeof(text), "GET /%s", filling);
        assert_int_equal(http_request_parse(text, HTTP_TARGET_MAX, &request), 0);
        assert_int_equal(http_request_parse(text, HTTP_TARGET_MAX + 100, &request), -414);

        /* Empty lines count, too. */
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = "\r\n"[i % 2];
        assert_int_equal(http_request_parse(text, HTTP_HEADER_MAX, &request), -431);
}

/* ---- fields ---- */

static struct http_request with_fields(const char *fields)
{
        return (struct http_request){ .fields = { fields, strlen(fields) } };
}

static void compares_etags_weakly(void **state)
{
        static const struct {
                const char *fields;
                bool listed;
        } cases[] = {
                { "If-None-Match: W/\"a-1\"", true },
                { "if-none-match:\"a-1\"", true },
                { "If-None-Match: *", true },
                { "If-None-Match: \"b\", W/\"a-1\"", true },
                { "If-None-Match: \"b\"\r\nIf-None-Match: \"a-1\"", true },
                { "If-None-Match: ,, \"a-1\" ,", true },
                { "If-None-Match: \"x,\", \"a-1\"", true },
                { "If-None-Match: \"a-1,\"", false },
                { "If-None-Match: a-1", false },
                { "If-None-Match: \"a-10\"", false },
                { "If-None-Match: w/\"a-1\"", false },
                { "If-None-Match: \"*\"", false },
                { "If-None-Match:", false },
                { "If-Match: \"a-1\"", false },
                { "", false },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct http_request request = with_fields(cases[i].fields);

                if (http_lists_etag(&request, "W/\"a-1\"") != cases[i].listed)
                        fail_msg("%s", cases[i].fields);
        }
}

static void gives_openmetrics_to_who_prefers_it(void **state)
{
        static const struct {
                const char *accept;
                bool openmetrics;
        } cases[] = {
                { "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", true },
                { "Accept: application/openmetrics-text; version=1.0.0; q=0.8, text/plain; q=0.9", false },
                { "Accept: application/openmetrics-text; q=0.9, text/plain; q=0.9", true },
                { "Accept: APPLICATION/OpenMetrics-Text", true },
                { "Accept: application/openmetrics-text;version=0.0.1", false },
                { "Accept: application/openmetrics-text;q=0", false },
                { "Accept: application/openmetrics-text;q=1.5", false },
                { "Accept: application/openmetrics-text;q=0.0001", false },
                { "Accept: application/openmetrics-text;q=", false },
                { "Accept: text/plain;q=0.2\r\nAccept: application/openmetrics-text;q=0.3", true },
                { "Accept: application/openmetrics-text;q=0.2, */*;q=0.1", true },
                { "Accept: application/openmetrics-text;q=0.2, text/*;q=0.3, text/plain;q=0.1", true },
                { "Accept: */*", false },
                { "Accept: application/*", false },
                { "Accept: application/json", false },
                { "Accept:", false },
                { "", false },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct http_request request = with_fields(cases[i].accept);

                if (http_prefers_openmetrics(&request) != cases[i].openmetrics)
                        fail_msg("%s", cases[i].accept);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_a_request_and_says_where_it_ends),
                cmocka_unit_test(asks_for_more_at_every_point_before_the_end),
                cmocka_unit_test(refuses_what_two_readers_could_understand_differently),
                cmocka_unit_test(keeps_the_connection_as_version_and_client_say),
                cmocka_unit_test(a_header_is_whole_within_8_kib_or_refused),
                cmocka_unit_test(compares_etags_weakly),
                cmocka_unit_test(gives_openmetrics_to_who_prefers_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
