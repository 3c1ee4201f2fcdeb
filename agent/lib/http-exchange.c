/* SPDX-License-Identifier: Apache-2.0 */

/* http-client.h for a program that seldom asks anything: each request is an exchange of its own process
 * (agent/http-exchange), which ends with it. libcurl's forty libraries and OpenSSL's heap are 1.7 MB; a
 * process takes some 10 ms of CPU time, which every few minutes is nothing. Of the interface it has what the
 * agent uses; streamed bodies, other headers than Retry-After and certificates are not among that. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "exchange-message.h"
#include "exchange-process.h"
#include "http-client.h"

#define PIECE (16 * 1024)

struct http_transfer {
        struct http_client *client;
        struct http_transfer *next;
        http_done_fn done;
        void (*release)(void *userdata);
        void *userdata;
        bool finished;

        pid_t pid;
        int fd; /* its standard output */
        sd_event_source *source;
        char *answer;
        size_t answer_size;

        /* In the answer. */
        long status;
        uint64_t retry_after_usec;
        const char *body, *error_text;
        size_t body_size;
};

struct http_client {
        sd_event *event;
        struct http_transfer *transfers;
        bool dying, calling; /* done is on the stack */
};

static struct http_transfer *transfer_free(struct http_transfer *transfer)
{
        struct http_transfer **at = &transfer->client->transfers;

        while (*at && *at != transfer)
                at = &(*at)->next;
        if (*at)
                *at = transfer->next;
        sd_event_source_disable_unref(transfer->source);
        closep(&transfer->fd);
        if (transfer->pid > 0) {
                /* Behind its answer it only has to end. */
                kill(transfer->pid, SIGKILL);
                while (waitpid(transfer->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        if (transfer->release)
                transfer->release(transfer->userdata);
        free(transfer->answer);
        free(transfer);
        return NULL;
}
DEFINE_CLEANUP(struct http_transfer *, transfer_free)

static void client_destroy(struct http_client *client)
{
        while (client->transfers)
                transfer_free(client->transfers);
        sd_event_unref(client->event);
        free(client);
}

struct http_client *http_client_free(struct http_client *client)
{
        if (!client)
                return NULL;
        client->dying = true;
        if (!client->calling)
                client_destroy(client);
        return NULL;
}

int http_client_new(sd_event *event, struct http_client **ret)
{
        struct http_client *client = calloc(1, sizeof(*client));

        if (!client)
                return -ENOMEM;
        client->event = sd_event_ref(event);
        *ret = client;
        return 0;
}

/* ---- the request ---- */

static void put_request(FILE *stream, const struct http_request *request)
{
        exchange_put_text(stream, "method", request->method);
        exchange_put_text(stream, "url", request->url);
        for (const char *const *header = request->headers; header && *header; header++)
                exchange_put_text(stream, "header", *header);
        exchange_put(stream, "body", request->body, request->body_size);
        exchange_put_number(stream, "version", request->version);
        exchange_put_text(stream, "ca-file", request->ca_file);
        exchange_put_text(stream, "cert-file", request->cert_file);
        exchange_put_text(stream, "key-file", request->key_file);
        exchange_put_text(stream, "ca-pem", request->ca_pem);
        exchange_put_text(stream, "cert-pem", request->cert_pem);
        exchange_put_text(stream, "key-pem", request->key_pem);
        exchange_put_text(stream, "proxy", request->proxy);
        exchange_put_number(stream, "timeout", request->timeout_usec);
        exchange_put_number(stream, "response-max", request->response_max);
        exchange_put_number(stream, "discard-body", request->discard_body);
}

static int request_file(const struct http_request *request)
{
        struct exchange_question question;
        int r;

        r = exchange_question_new(&question);
        if (r < 0)
                return r;
        put_request(question.stream, request);
        return exchange_question_file(&question);
}

/* ---- the answer ---- */

static int take_answer(struct http_transfer *transfer)
{
        char *at = transfer->answer, *end = at + transfer->answer_size, *name, *value;
        int error = -EPROTO, r = 0;
        size_t size;

        while (at && (r = exchange_take(&at, end, &name, &value, &size)) > 0) {
                if (strcmp(name, "error") == 0)
                        error = -(int)strtol(value, NULL, 10);
                else if (strcmp(name, "status") == 0)
                        transfer->status = strtol(value, NULL, 10);
                else if (strcmp(name, "retry-after") == 0)
                        transfer->retry_after_usec = strtoull(value, NULL, 10);
                else if (strcmp(name, "error-text") == 0)
                        transfer->error_text = value;
                else if (strcmp(name, "body") == 0) {
                        transfer->body = value;
                        transfer->body_size = size;
                }
        }
        return r < 0 ? r : error;
}

static void finish(struct http_transfer *transfer, int error)
{
        struct http_client *client = transfer->client;

        transfer->finished = true;
        client->calling = true;
        transfer->done(transfer, error, transfer->userdata);
        client->calling = false;
        transfer_free(transfer);
        if (client->dying)
                client_destroy(client);
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct http_transfer *transfer = userdata;
        char *grown = realloc(transfer->answer, transfer->answer_size + PIECE);
        ssize_t n;

        if (!grown) {
                finish(transfer, -ENOMEM);
                return 0;
        }
        transfer->answer = grown;
        n = read(fd, transfer->answer + transfer->answer_size, PIECE);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0)
                transfer->answer_size += (size_t)n;
        if (transfer->answer_size > EXCHANGE_MESSAGE_MAX)
                finish(transfer, -EFBIG);
        else if (n <= 0)
                finish(transfer, n < 0 ? -errno : take_answer(transfer));
        return 0;
}

int http_start(struct http_client *client, const struct http_request *request, http_done_fn done,
               struct http_transfer **ret_transfer)
{
        _cleanup_(transfer_freep) struct http_transfer *transfer = NULL;
        _cleanup_close_ int in = -EBADF, out = -EBADF, answer = -EBADF;
        int fds[2], r;

        if (request->on_body || request->body_file)
                return -EINVAL;
        in = request_file(request);
        if (in < 0)
                return in;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        answer = fds[0];
        out = fds[1];
        (void)fcntl(answer, F_SETFL, O_NONBLOCK);
        transfer = calloc(1, sizeof(*transfer));
        if (!transfer)
                return -ENOMEM;
        transfer->client = client;
        transfer->done = done;
        transfer->fd = TAKE_FD(answer);
        r = exchange_spawn(HTTP_EXCHANGE, in, out, &transfer->pid);
        if (r < 0)
                return r;
        r = sd_event_add_io(client->event, &transfer->source, transfer->fd, EPOLLIN, on_answer, transfer);
        if (r < 0)
                return r;

        /* From here on the client owns it, and the caller's release is due. */
        transfer->userdata = request->userdata;
        transfer->release = request->release;
        transfer->next = client->transfers;
        client->transfers = transfer;
        if (ret_transfer)
                *ret_transfer = transfer;
        TAKE_PTR(transfer);
        return 0;
}

void http_cancel(struct http_transfer *transfer)
{
        if (!transfer->finished)
                transfer_free(transfer);
}

long http_status(struct http_transfer *transfer)
{
        return transfer->status;
}

uint64_t http_retry_after_usec(struct http_transfer *transfer)
{
        return transfer->retry_after_usec;
}

const char *http_body(struct http_transfer *transfer, size_t *ret_size)
{
        if (ret_size)
                *ret_size = transfer->body_size;
        return transfer->body ?: "";
}

const char *http_error_text(struct http_transfer *transfer)
{
        return transfer->error_text ?: "its process ended without an answer";
}
