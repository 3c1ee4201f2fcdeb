/* SPDX-License-Identifier: Apache-2.0 */

#include "connection.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "http-request.h"
#include "peer.h"
#include "quantity.h"
#include "response.h"
#include "routes.h"
#include "timestamp.h"

#define INPUT_FIRST     1024 /* nearly every request fits; HTTP_HEADER_MAX is for the others */
#define DRAIN_READS_MAX 16   /* in one turn: others want theirs */
#define TRIM_ABOVE      32   /* connections; each takes about 25 KiB */

enum connection_state {
        CONNECTION_HANDSHAKE,
        CONNECTION_IDLE,     /* between requests */
        CONNECTION_HEADER,   /* some of a request is here */
        CONNECTION_WAITING,  /* a long poll */
        CONNECTION_SENDING,  /* the response */
        CONNECTION_DRAINING, /* all is said; what the client still sends is dropped so that it can read that
                              */
};

enum spare { SPARE_NEVER, SPARE_SECOND, SPARE_FIRST };

static const struct {
        uint64_t limit_usec; /* 0: set by the long poll */
        enum spare spare;
} states[] = {
        [CONNECTION_HANDSHAKE] = { 5 * USEC_PER_SEC, SPARE_SECOND },
        [CONNECTION_IDLE] = { 5 * USEC_PER_SEC, SPARE_FIRST },
        [CONNECTION_HEADER] = { 5 * USEC_PER_SEC, SPARE_SECOND },
        [CONNECTION_WAITING] = { 0, SPARE_NEVER },
        [CONNECTION_SENDING] = { 5 * USEC_PER_SEC, SPARE_NEVER },
        [CONNECTION_DRAINING] = { 1 * USEC_PER_SEC, SPARE_FIRST },
};

struct connection {
        struct gateway *gateway;
        struct connection *previous, *next;
        enum connection_state state;
        uint64_t since_usec; /* of the state */

        int fd;
        SSL *ssl;
        uint8_t client[CLIENT_ID_SIZE]; /* of its certificate, once the handshake is done */
        bool broken;                    /* TLS is at its end: no more may be said, not even goodbye */
        sd_event_source *io, *deadline;

        char *input; /* what was received and is not answered yet */
        size_t input_size, input_capacity;
        size_t request_size;         /* of it, the request that is being answered … */
        struct http_request request; /* … which points into it */
        char etag_before[HEALTH_ETAG_SIZE];

        struct response response;
        char header[RESPONSE_HEADER_MAX];
        size_t header_size, body_size, sent;
};

/* A burst leaves the heap full of holes, which glibc would keep for itself: 100 MB after 4000 connections. */
static void give_back_memory(struct gateway *gateway)
{
        if (gateway->n_connections > 0 || gateway->most_connections < TRIM_ABOVE)
                return;
        gateway->most_connections = 0;
        (void)malloc_trim(0);
}

static void connection_free(struct connection *c)
{
        struct gateway *gateway = c->gateway;

        if (c->previous)
                c->previous->next = c->next;
        else
                gateway->connections = c->next;
        if (c->next)
                c->next->previous = c->previous;
        gateway->n_connections--;

        sd_event_source_disable_unref(c->io);
        sd_event_source_disable_unref(c->deadline);
        if (c->ssl && !c->broken && c->state == CONNECTION_IDLE)
                (void)SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        ERR_clear_error();
        close(c->fd);
        response_clear(&c->response);
        free(c->input);
        free(c);
        give_back_memory(gateway);
}

/* ---- phases ---- */

/* Begins a phase: its deadline counts from here. */
static int enter(struct connection *c, enum connection_state state, uint64_t limit_usec)
{
        int r;

        c->state = state;
        c->since_usec = now_boottime_usec();
        r = sd_event_source_set_time(c->deadline, c->since_usec + limit_usec);
        return r < 0 ? r : sd_event_source_set_enabled(c->deadline, SD_EVENT_ONESHOT);
}

static int enter_state(struct connection *c, enum connection_state state)
{
        return enter(c, state, states[state].limit_usec);
}

/* What to do after an SSL_ function that did not succeed: 0 to wait for the socket, -errno when it is over.
 */
static int wait_for_socket(struct connection *c, int result)
{
        switch (SSL_get_error(c->ssl, result)) {
        case SSL_ERROR_WANT_READ:
                return sd_event_source_set_io_events(c->io, EPOLLIN);
        case SSL_ERROR_WANT_WRITE:
                return sd_event_source_set_io_events(c->io, EPOLLOUT);
        case SSL_ERROR_ZERO_RETURN:
                return -ECONNRESET;
        default:
                c->broken = true;
                return -EPROTO;
        }
}

/* The end of what is sent. Closing a socket with unread bytes sends a reset, which can overtake the response
 * (RFC 9112, 9.6), so the client gets a moment to close first. */
static int start_draining(struct connection *c)
{
        int r;

        if (!c->broken)
                (void)SSL_shutdown(c->ssl);
        if (shutdown(c->fd, SHUT_WR) < 0)
                return -errno;
        r = enter_state(c, CONNECTION_DRAINING);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_events(c->io, EPOLLIN);
        return r < 0 ? r : 1;
}

/* ---- responses ---- */

static int respond(struct connection *c, const struct response *response, bool keep_alive, bool with_body)
{
        int r;

        response_clear(&c->response);
        c->response = *response;
        c->response.close |= !keep_alive;
        c->header_size = response_write_header(&c->response, keep_alive, c->header);
        c->body_size = with_body && c->response.body ? c->response.body->size : 0;
        c->sent = 0;
        c->gateway->statistics.requests[http_status_index(response->status)]++;
        r = enter_state(c, CONNECTION_SENDING);
        return r < 0 ? r : 1;
}

/* A request that is not one: what follows it on the connection cannot be understood either. */
static int respond_refused(struct connection *c, unsigned status)
{
        static const struct {
                unsigned status;
                const char *message;
        } messages[] = {
                { 400, "the request is not of the form that HTTP/1.1 asks for" },
                { 405, "only GET and HEAD are served here" },
                { 413, "a request with a body is not served here" },
                { 414, "the request's path is too long" },
                { 431, "the request's header is longer than 8 KiB" },
                { 505, "only HTTP/1.0 and HTTP/1.1 are served here" },
        };
        struct response response = {};
        size_t i = 0;
        int r;

        while (i < ELEMENTS(messages) - 1 && messages[i].status != status)
                i++;
        r = response_set_error(&response, messages[i].status, messages[i].message, NULL, NULL);
        return r < 0 ? r : respond(c, &response, false, true);
}

static int forbid(struct connection *c, const struct failure *failure, struct response *ret)
{
        int r;

        c->gateway->statistics.refused[REFUSED_SUBJECT]++;
        audit(&c->gateway->audit, c->ssl, failure);
        r = response_set_error(ret, 403, failure->message, NULL, NULL);
        ret->close = true;
        return r;
}

/* Whether this client may ask this. Returns 0, or -EACCES with a failure. */
static int authorize(struct connection *c, struct failure *failure)
{
        struct gateway *gateway = c->gateway;
        enum peer_role role;
        int r;

        r = peer_check(c->ssl, gateway->tls, gateway->config, &role, failure);
        if (r >= 0 && role == PEER_SCRAPER && !routes_is_scraped(c->request.path))
                r = failure_set(failure, -EACCES, "SubjectNotAllowed",
                                "the certificate's subject is in \"scrape\" of gateway.json and may read "
                                "/metrics only");
        return r;
}

/* Answers the request at the start of the input, or lets it wait; again for one that waits already. Returns 1
 * when there is a response to send. */
static int answer(struct connection *c, bool timed_out)
{
        struct gateway *gateway = c->gateway;
        const struct exchange exchange = { .request = &c->request,
                                           .etag_before = c->etag_before,
                                           .timed_out = timed_out };
        struct response response = {};
        _cleanup_failure_ failure = {};
        uint64_t wait_usec;
        int r;

        r = authorize(c, &failure);
        if (r == -EACCES)
                r = forbid(c, &failure, &response);
        else if (r >= 0)
                r = routes_answer(gateway, &exchange, &response, &wait_usec);
        if (r < 0)
                return r;
        if (r == 0)
                return respond(c, &response, c->request.keep_alive, c->request.method != HTTP_HEAD);

        if (c->state == CONNECTION_WAITING)
                return 0;
        r = enter(c, CONNECTION_WAITING, wait_usec);
        /* EPOLLRDHUP tells at once when the waiter leaves; what it may send meanwhile can wait, too. */
        return r < 0 ? r : sd_event_source_set_io_events(c->io, EPOLLRDHUP);
}

static int respond_too_many(struct connection *c, uint64_t wait_usec)
{
        _cleanup_failure_ failure = {};
        struct response response = {};
        int r;

        c->gateway->statistics.refused[REFUSED_RATE]++;
        (void)failure_set(&failure, -EBUSY, "TooManyRequests",
                          "more than requestsPerSecond of gateway.json with this certificate");
        audit(&c->gateway->audit, c->ssl, &failure);
        r = response_set_error(&response, 429, failure.message ?: "", NULL, NULL);
        if (r < 0)
                return r;
        response.retry_after_usec = wait_usec;
        return respond(c, &response, c->request.keep_alive, c->request.method != HTTP_HEAD);
}

static int begin_answer(struct connection *c)
{
        const struct health_view *view = health_document_view(c->gateway->health);
        const struct gateway_config *config = c->gateway->config;
        uint64_t wait;

        /* At once a client may ask on every connection that it may have: so many waiters wake together. */
        wait = client_rate_take(&c->gateway->rates, c->client, now_boottime_usec(),
                                (uint64_t)config->requests_per_second,
                                (uint64_t)(config->connections + config->requests_per_second));
        if (wait > 0)
                return respond_too_many(c, wait);
        (void)snprintf(c->etag_before, sizeof(c->etag_before), "%s", view ? view->etag : "");
        return answer(c, false);
}

/* ---- the steps ---- */

static void audit_handshake(struct connection *c)
{
        const char *why = peer_handshake_refusal(c->ssl);
        _cleanup_failure_ failure = {};

        c->gateway->statistics.refused[REFUSED_HANDSHAKE]++;
        if (!why)
                return;
        (void)failure_set(&failure, -EACCES, "HandshakeRefused", "the TLS handshake: %s", why);
        if (failure.message)
                audit(&c->gateway->audit, c->ssl, &failure);
}

static int step_handshake(struct connection *c)
{
        int r;

        ERR_clear_error();
        r = SSL_accept(c->ssl);
        if (r == 1) {
                r = peer_identify(c->ssl, c->client);
                if (r < 0)
                        return r;
                r = enter_state(c, CONNECTION_IDLE);
                return r < 0 ? r : 1;
        }
        r = wait_for_socket(c, r);
        if (r >= 0)
                return r;
        audit_handshake(c);
        /* The alert that says why is on its way. */
        return r == -EPROTO ? start_draining(c) : r;
}

/* Receives more of a request. Returns 1, 0 to wait, or -errno. */
static int receive(struct connection *c)
{
        int n, r;

        if (c->input_size == c->input_capacity) {
                size_t capacity = c->input_capacity ? HTTP_HEADER_MAX : INPUT_FIRST;
                char *input = realloc(c->input, capacity);

                if (!input)
                        return -ENOMEM;
                c->input = input;
                c->input_capacity = capacity;
        }
        ERR_clear_error();
        n = SSL_read(c->ssl, c->input + c->input_size, (int)(c->input_capacity - c->input_size));
        if (n <= 0)
                return wait_for_socket(c, n);
        c->input_size += (size_t)n;
        if (c->state == CONNECTION_HEADER)
                return 1;
        r = enter_state(c, CONNECTION_HEADER);
        return r < 0 ? r : 1;
}

/* Ends when a request is whole, refused, or more has to come; a header is bounded, so this is, too. */
static int step_read(struct connection *c)
{
        int r;

        do {
                r = c->input_size > 0 ? http_request_parse(c->input, c->input_size, &c->request) : 0;
                if (r < 0)
                        return respond_refused(c, (unsigned)-r);
                if (r > 0) {
                        c->request_size = (size_t)r;
                        return begin_answer(c);
                }
                r = receive(c);
        } while (r > 0);
        return r;
}

/* The response is sent: on to the next request. */
static int finish(struct connection *c)
{
        bool more;
        int r;

        if (c->response.close)
                return start_draining(c);
        response_clear(&c->response);
        c->input_size -= c->request_size;
        memmove(c->input, c->input + c->request_size, c->input_size);
        if (c->input_size == 0) {
                free(c->input);
                c->input = NULL;
                c->input_capacity = 0;
        }
        r = enter_state(c, c->input_size > 0 ? CONNECTION_HEADER : CONNECTION_IDLE);
        if (r < 0)
                return r;

        /* A pipelined request is here already, so the socket will not tell. It is writable, though: the loop
         * comes back here after the other connections had their turn. */
        more = c->input_size > 0 || SSL_has_pending(c->ssl);
        return sd_event_source_set_io_events(c->io, more ? EPOLLOUT : EPOLLIN);
}

/* What of the response is to be sent next: the rest of the header, then of the body. */
static struct slice unsent(const struct connection *c)
{
        size_t of_body;

        if (c->sent < c->header_size)
                return (struct slice){ c->header + c->sent, c->header_size - c->sent };
        of_body = c->sent - c->header_size;
        if (of_body < c->body_size)
                return (struct slice){ c->response.body->data + of_body, c->body_size - of_body };
        return (struct slice){};
}

static int step_send(struct connection *c)
{
        struct slice rest;
        int n;

        while ((rest = unsent(c)).size > 0) {
                ERR_clear_error();
                n = SSL_write(c->ssl, rest.at, (int)rest.size);
                if (n <= 0)
                        return wait_for_socket(c, n);
                c->sent += (size_t)n;
        }
        return finish(c);
}

static int step_drain(struct connection *c)
{
        char dropped[4096];

        for (size_t i = 0; i < DRAIN_READS_MAX; i++) {
                ssize_t n = recv(c->fd, dropped, sizeof(dropped), 0);

                if (n == 0)
                        return -ECONNRESET;
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        }
        return 0;
}

static int step(struct connection *c)
{
        switch (c->state) {
        case CONNECTION_HANDSHAKE:
                return step_handshake(c);
        case CONNECTION_IDLE:
        case CONNECTION_HEADER:
                return step_read(c);
        case CONNECTION_WAITING:
                return 0;
        case CONNECTION_SENDING:
                return step_send(c);
        case CONNECTION_DRAINING:
                return step_drain(c);
        }
        return -EINVAL;
}

/* Goes on until the connection waits for something or is over. */
static void advance(struct connection *c, int r)
{
        while (r > 0)
                r = step(c);
        if (r < 0)
                connection_free(c);
}

/* ---- events ---- */

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct connection *c = userdata;

        if (c->state == CONNECTION_WAITING)
                advance(c, revents & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? -ECONNRESET : 0);
        else
                advance(c, 1);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct connection *c = userdata;

        switch (c->state) {
        case CONNECTION_WAITING:
                advance(c, answer(c, true));
                return 0;
        case CONNECTION_HANDSHAKE:
        case CONNECTION_HEADER:
        case CONNECTION_SENDING:
                c->gateway->statistics.refused[REFUSED_DEADLINE]++;
                break;
        case CONNECTION_IDLE:
        case CONNECTION_DRAINING:
                break;
        }
        connection_free(c);
        return 0;
}

static int attach(struct connection *c)
{
        sd_event *event = c->gateway->event;
        int r;

        c->ssl = SSL_new(c->gateway->tls);
        if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
                return -ENOMEM;
        r = sd_event_add_io(event, &c->io, c->fd, EPOLLIN, on_io, c);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &c->deadline, CLOCK_BOOTTIME, 0, 10 * USEC_PER_MSEC, on_deadline, c);
        if (r < 0)
                return r;
        return enter_state(c, CONNECTION_HANDSHAKE);
}

/* Header and body go out as they are, not after the peer's delayed ACK; and a waiter whose machine is gone
 * without a word is noticed within a minute. */
static void set_socket_options(int fd)
{
        static const int yes = 1, idle_seconds = 30, interval_seconds = 10, probes = 3;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof(idle_seconds));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof(interval_seconds));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

int connection_open(struct gateway *gateway, int fd)
{
        struct connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                close(fd);
                return -ENOMEM;
        }
        c->gateway = gateway;
        c->fd = fd;
        c->next = gateway->connections;
        if (c->next)
                c->next->previous = c;
        gateway->connections = c;
        gateway->n_connections++;
        if (gateway->n_connections > gateway->most_connections)
                gateway->most_connections = gateway->n_connections;

        set_socket_options(fd);
        r = attach(c);
        if (r < 0)
                connection_free(c);
        return r;
}

bool connection_displace(struct gateway *gateway)
{
        struct connection *best = NULL;

        for (struct connection *c = gateway->connections; c; c = c->next) {
                enum spare spare = states[c->state].spare;

                if (spare == SPARE_NEVER || (best && spare < states[best->state].spare))
                        continue;
                if (!best || spare > states[best->state].spare || c->since_usec < best->since_usec)
                        best = c;
        }
        if (!best)
                return false;
        connection_free(best);
        return true;
}

void connections_wake(struct gateway *gateway)
{
        struct connection *next;

        for (struct connection *c = gateway->connections; c; c = next) {
                next = c->next;
                if (c->state == CONNECTION_WAITING)
                        advance(c, answer(c, false));
        }
}

void connections_close(struct gateway *gateway)
{
        struct connection *next;

        for (struct connection *c = gateway->connections; c; c = next) {
                next = c->next;
                connection_free(c);
        }
}
