/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "http-client.h"
#include "quantity.h"

#define DEADLINE_USEC (60 * USEC_PER_SEC)

/* A server that answers each connection with one given text and hangs on to it, or closes. */
struct server {
        int fd;
        uint16_t port;
        pthread_t thread;
        const char *answer;
        bool hang;
        char request[4096];
};

static void *serve(void *userdata)
{
        struct server *server = userdata;

        for (;;) {
                int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
                ssize_t n;

                if (fd < 0)
                        return NULL;
                n = read(fd, server->request, sizeof(server->request) - 1);
                server->request[n > 0 ? n : 0] = '\0';
                assert_true(write(fd, server->answer, strlen(server->answer)) >= 0);
                while (server->hang && read(fd, &(char){ 0 }, 1) > 0)
                        ;
                close(fd);
        }
}

static void server_start(struct server *server, const char *answer)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        server->answer = answer;
        server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(server->fd, 8), 0);
        assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
        server->port = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
        shutdown(server->fd, SHUT_RDWR);
        pthread_join(server->thread, NULL);
        close(server->fd);
}

struct outcome {
        struct http_client *client;
        struct http_transfer *transfer;
        bool done, released, cancel_in_body, free_in_body, free_in_done, cancel_in_done, start_in_body;
        int error, started;
        long status;
        char body[256], header[64];
        size_t streamed;
};

static sd_event *event;

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct outcome *outcome = userdata;
        const char *header = http_header(transfer, "x-test");

        assert_false(outcome->done);
        outcome->done = true;
        outcome->error = error;
        outcome->status = http_status(transfer);
        (void)snprintf(outcome->body, sizeof(outcome->body), "%s", http_body(transfer, NULL));
        (void)snprintf(outcome->header, sizeof(outcome->header), "%s", header ? header : "");
        assert_non_null(http_error_text(transfer));
        if (outcome->cancel_in_done)
                http_cancel(transfer);
        if (outcome->free_in_done)
                outcome->client = http_client_free(outcome->client);
}

static int on_body(struct http_transfer *transfer, const void *data, size_t size, void *userdata)
{
        struct outcome *outcome = userdata;

        outcome->streamed += size;
        if (outcome->start_in_body)
                outcome->started = http_start(outcome->client,
                                              &(struct http_request){ .method = "GET", .url = "http://x" },
                                              on_done, NULL);
        if (outcome->cancel_in_body)
                http_cancel(transfer);
        if (outcome->free_in_body)
                outcome->client = http_client_free(outcome->client);
        return 0;
}

static void on_release(void *userdata)
{
        struct outcome *outcome = userdata;

        assert_false(outcome->released);
        outcome->released = true;
}

static void start(struct outcome *outcome, const struct server *server, struct http_request *request)
{
        char url[64];

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/path", server->port);
        request->url = url;
        request->method = request->method ? request->method : "GET";
        request->release = on_release;
        request->userdata = outcome;
        assert_int_equal(http_client_new(event, &outcome->client), 0);
        assert_int_equal(http_start(outcome->client, request, on_done, &outcome->transfer), 0);
}

static void run_until_released(struct outcome *outcome)
{
        while (!outcome->released)
                assert_true(sd_event_run(event, DEADLINE_USEC) > 0);
}

static void fetch(struct outcome *outcome, struct http_request *request, const char *answer, bool hang)
{
        struct server server = { .hang = hang };

        server_start(&server, answer);
        start(outcome, &server, request);
        run_until_released(outcome);
        outcome->client = http_client_free(outcome->client);
        server_stop(&server);
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nX-Test:  a value \r\nContent-Length: 5\r\n\r\nhello"

static void collects_a_response_with_its_headers(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){}, OK_HELLO, false);
        assert_true(outcome.done);
        assert_int_equal(outcome.error, 0);
        assert_int_equal(outcome.status, 200);
        assert_string_equal(outcome.body, "hello");
        assert_string_equal(outcome.header, "a value");
}

static void gives_other_statuses_as_answers_and_follows_no_redirect(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){},
              "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", false);
        assert_int_equal(outcome.error, 0);
        assert_int_equal(outcome.status, 302);
}

static void takes_headers_of_the_last_response_only(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){ .method = "POST", .body = "x", .body_size = 1 },
              "HTTP/1.1 100 Continue\r\nX-Test: interim\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false);
        assert_int_equal(outcome.status, 204);
        assert_string_equal(outcome.header, "");
}

static void sends_method_headers_and_body_as_asked(void **state)
{
        static const char *const headers[] = { "X-Own: 1", NULL };
        struct server server = {};
        struct outcome outcome = {};

        server_start(&server, OK_HELLO);
        start(&outcome, &server,
              &(struct http_request){
                      .method = "PATCH", .headers = headers, .body = "payload", .body_size = 7 });
        run_until_released(&outcome);
        assert_non_null(strstr(server.request, "PATCH /path HTTP/1.1\r\n"));
        assert_non_null(strstr(server.request, "X-Own: 1\r\n"));
        assert_non_null(strstr(server.request, "\r\n\r\npayload"));
        assert_null(strstr(server.request, "Expect"));
        assert_null(strstr(server.request, "Content-Type"));
        http_client_free(outcome.client);
        server_stop(&server);
}

static void uses_no_proxy_of_the_environment(void **state)
{
        static const char *const variables[] = { "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY" };
        struct outcome outcome = {};

        for (size_t i = 0; i < ELEMENTS(variables); i++)
                setenv(variables[i], "http://127.0.0.1:1", 1);
        fetch(&outcome, &(struct http_request){}, OK_HELLO, false);
        for (size_t i = 0; i < ELEMENTS(variables); i++)
                unsetenv(variables[i]);
        assert_int_equal(outcome.error, 0);
}

static void refuses_a_body_above_the_limit(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){ .response_max = 4 }, OK_HELLO, false);
        assert_int_equal(outcome.error, -EFBIG);
}

static void tells_an_early_end(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){}, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
              false);
        assert_int_equal(outcome.error, -ECONNRESET);
}

static void tells_a_refused_connection(void **state)
{
        struct server server = {};
        struct outcome outcome = {};

        server_start(&server, "");
        server_stop(&server);
        start(&outcome, &server, &(struct http_request){});
        run_until_released(&outcome);
        assert_int_equal(outcome.error, -ECONNREFUSED);
        http_client_free(outcome.client);
}

static void ends_a_peer_that_stalls(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){ .stall_usec = 1 * USEC_PER_SEC, .on_body = on_body },
              "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
        assert_int_equal(outcome.error, -ETIMEDOUT);
        assert_int_equal(outcome.streamed, 5);
}

static void ends_an_exchange_that_takes_too_long(void **state)
{
        struct outcome outcome = {};

        fetch(&outcome, &(struct http_request){ .timeout_usec = 200 * USEC_PER_MSEC }, "", true);
        assert_int_equal(outcome.error, -ETIMEDOUT);
}

static void never_calls_done_after_a_cancel_wherever_it_comes_from(void **state)
{
        struct outcome inside = { .cancel_in_body = true }, outside = {},
                       in_done = { .cancel_in_done = true };
        struct server server = { .hang = true };

        fetch(&inside, &(struct http_request){ .on_body = on_body }, OK_HELLO, true);
        assert_false(inside.done);

        server_start(&server, "");
        start(&outside, &server, &(struct http_request){});
        assert_true(sd_event_run(event, DEADLINE_USEC) > 0);
        http_cancel(outside.transfer);
        assert_true(outside.released);
        assert_false(outside.done);
        http_client_free(outside.client);
        server_stop(&server);

        fetch(&in_done, &(struct http_request){}, OK_HELLO, false);
        assert_true(in_done.done);
}

static void may_be_freed_inside_its_callbacks(void **state)
{
        struct outcome in_body = { .free_in_body = true }, in_done = { .free_in_done = true };

        fetch(&in_body, &(struct http_request){ .on_body = on_body }, OK_HELLO, true);
        assert_false(in_body.done);
        fetch(&in_done, &(struct http_request){}, OK_HELLO, false);
        assert_true(in_done.done);
}

static void refuses_to_start_inside_on_body(void **state)
{
        struct outcome outcome = { .start_in_body = true };

        fetch(&outcome, &(struct http_request){ .on_body = on_body }, OK_HELLO, false);
        assert_int_equal(outcome.started, -EBUSY);
        assert_int_equal(outcome.error, 0);
}

static void speaks_http_only(void **state)
{
        struct outcome outcome = {};

        assert_int_equal(http_client_new(event, &outcome.client), 0);
        assert_int_equal(http_start(outcome.client,
                                    &(struct http_request){ .method = "GET",
                                                            .url = "file:///etc/passwd",
                                                            .release = on_release,
                                                            .userdata = &outcome },
                                    on_done, NULL),
                         0);
        run_until_released(&outcome);
        assert_int_equal(outcome.error, -EPROTO);
        http_client_free(outcome.client);
}

static int set_up(void **state)
{
        return sd_event_new(&event);
}

static int tear_down(void **state)
{
        event = sd_event_unref(event);
        return 0;
}

#define HTTP_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                HTTP_TEST(collects_a_response_with_its_headers),
                HTTP_TEST(gives_other_statuses_as_answers_and_follows_no_redirect),
                HTTP_TEST(takes_headers_of_the_last_response_only),
                HTTP_TEST(sends_method_headers_and_body_as_asked),
                HTTP_TEST(uses_no_proxy_of_the_environment),
                HTTP_TEST(refuses_a_body_above_the_limit),
                HTTP_TEST(tells_an_early_end),
                HTTP_TEST(tells_a_refused_connection),
                HTTP_TEST(ends_a_peer_that_stalls),
                HTTP_TEST(ends_an_exchange_that_takes_too_long),
                HTTP_TEST(never_calls_done_after_a_cancel_wherever_it_comes_from),
                HTTP_TEST(may_be_freed_inside_its_callbacks),
                HTTP_TEST(refuses_to_start_inside_on_body),
                HTTP_TEST(speaks_http_only),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
