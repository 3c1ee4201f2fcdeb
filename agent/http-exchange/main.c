/* SPDX-License-Identifier: Apache-2.0 */

/* One HTTP exchange for a program without libcurl (agent/lib/http-exchange.c): the request comes on standard
 * input, the answer goes to standard output. Not for people. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "exchange-message.h"
#include "files.h"
#include "http-client.h"

#define HEADERS_MAX 32

struct exchange {
        sd_event *event;
        struct http_request request;
        const char *headers[HEADERS_MAX + 1];
        size_t n_headers;
};

static int take_field(struct exchange *exchange, const char *name, const char *value, size_t size)
{
        struct http_request *request = &exchange->request;
        const struct {
                const char *name, **to;
        } texts[] = {
                { "method", &request->method },     { "url", &request->url },
                { "ca-file", &request->ca_file },   { "cert-file", &request->cert_file },
                { "key-file", &request->key_file }, { "ca-pem", &request->ca_pem },
                { "cert-pem", &request->cert_pem }, { "key-pem", &request->key_pem },
                { "proxy", &request->proxy },
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (strcmp(name, texts[i].name) == 0) {
                        *texts[i].to = value;
                        return 0;
                }
        if (strcmp(name, "header") == 0) {
                if (exchange->n_headers == HEADERS_MAX)
                        return -E2BIG;
                exchange->headers[exchange->n_headers++] = value;
        } else if (strcmp(name, "body") == 0) {
                request->body = value;
                request->body_size = size;
        } else if (strcmp(name, "version") == 0) {
                request->version = (enum http_version)strtol(value, NULL, 10);
        } else if (strcmp(name, "timeout") == 0) {
                request->timeout_usec = strtoull(value, NULL, 10);
        } else if (strcmp(name, "response-max") == 0) {
                request->response_max = strtoull(value, NULL, 10);
        } else if (strcmp(name, "discard-body") == 0) {
                request->discard_body = strtol(value, NULL, 10) != 0;
        } else {
                return -EBADMSG;
        }
        return 0;
}

static int answer(int error, struct http_transfer *transfer)
{
        size_t size;
        const char *body = transfer ? http_body(transfer, &size) : NULL;

        exchange_put_number(stdout, "error", (uint64_t)-error);
        if (transfer && error == 0) {
                exchange_put_number(stdout, "status", (uint64_t)http_status(transfer));
                exchange_put_number(stdout, "retry-after", http_retry_after_usec(transfer));
                exchange_put(stdout, "body", body, size);
        } else {
                exchange_put_text(stdout, "error-text",
                                  transfer ? http_error_text(transfer) : strerror(-error));
        }
        return fflush(stdout) == 0 ? 0 : -errno;
}

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct exchange *exchange = userdata;

        (void)sd_event_exit(exchange->event, answer(error, transfer) < 0);
}

static int read_request(struct exchange *exchange, char **ret_text)
{
        _cleanup_free_ char *text = NULL;
        char *at, *end, *name, *value;
        size_t size;
        int r;

        r = file_read("/proc/self/fd/0", EXCHANGE_MESSAGE_MAX, &text, &size);
        if (r < 0)
                return r;
        at = text;
        end = text + size;
        while ((r = exchange_take(&at, end, &name, &value, &size)) > 0) {
                r = take_field(exchange, name, value, size);
                if (r < 0)
                        return r;
        }
        if (r < 0 || !exchange->request.method || !exchange->request.url)
                return -EBADMSG;
        exchange->request.headers = exchange->headers;
        exchange->request.userdata = exchange;
        *ret_text = TAKE_PTR(text);
        return 0;
}

static int run(struct exchange *exchange)
{
        _cleanup_(http_client_freep) struct http_client *client = NULL;
        int r;

        r = sd_event_new(&exchange->event);
        if (r >= 0)
                r = http_client_new(exchange->event, &client);
        if (r >= 0)
                r = http_start(client, &exchange->request, on_done, NULL);
        if (r < 0)
                return answer(r, NULL);
        return sd_event_loop(exchange->event);
}

int main(void)
{
        struct exchange exchange = {};
        _cleanup_free_ char *text = NULL;
        int r;

        /* Nobody else wants the answer. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        r = read_request(&exchange, &text);
        r = r < 0 ? answer(r, NULL) : run(&exchange);
        sd_event_unref(exchange.event);
        return r < 0;
}
