/* SPDX-License-Identifier: Apache-2.0 */

#include "fault-proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "files.h"

#define HEAD_MAX (16 * 1024)

struct exchange {
        struct fault_proxy *proxy;
        int client;
        char data[HEAD_MAX + 1]; /* the head and what came of the body with it */
        size_t size, head_size;
        size_t body_size; /* all of it */
};

static int connect_to(unsigned port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons((uint16_t)port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -1;
}

static bool read_head(struct exchange *exchange)
{
        const char *length, *end = NULL;

        while (!end) {
                ssize_t n =
                        read(exchange->client, exchange->data + exchange->size, HEAD_MAX - exchange->size);

                if (n <= 0)
                        return false;
                exchange->size += (size_t)n;
                exchange->data[exchange->size] = '\0';
                end = memmem(exchange->data, exchange->size, "\r\n\r\n", 4);
        }
        exchange->head_size = (size_t)(end + 4 - exchange->data);
        length = strcasestr(exchange->data, "\r\nContent-Length:");
        exchange->body_size = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        return true;
}

/* The fault that this request meets, or NULL. */
static struct fault *meet(const struct exchange *exchange)
{
        struct fault *fault = exchange->proxy->fault;
        char method[16] = "", target[2048] = "";
        unsigned number;

        (void)sscanf(exchange->data, "%15s %2047s", method, target);
        if (!fault || (fault->method && strcmp(fault->method, method) != 0) ||
            (fault->match && !strstr(target, fault->match)))
                return NULL;
        number = atomic_fetch_add(&fault->seen, 1);
        return number >= fault->skip && (fault->times == 0 || number < fault->skip + fault->times) ? fault
                                                                                                   : NULL;
}

/* Sends the body on, up to `limit` bytes of it; server -1: reads it and drops it. */
static bool send_body(struct exchange *exchange, int server, size_t limit)
{
        size_t done = exchange->size - exchange->head_size;
        char piece[64 * 1024];

        if (server >= 0 &&
            write_all(server, exchange->data + exchange->head_size, done < limit ? done : limit) < 0)
                return false;
        while (done < exchange->body_size && done < limit) {
                ssize_t n = read(exchange->client, piece, sizeof(piece));

                if (n <= 0 || (server >= 0 && write_all(server, piece, (size_t)n) < 0))
                        return false;
                done += (size_t)n;
        }
        return true;
}

static bool send_head(struct exchange *exchange, int server)
{
        static const char close_line[] = "\r\nConnection: close";
        size_t line = (size_t)(strstr(exchange->data, "\r\n") - exchange->data);

        return write_all(server, exchange->data, line) >= 0 &&
               write_all(server, close_line, sizeof(close_line) - 1) >= 0 &&
               write_all(server, exchange->data + line, exchange->head_size - line) >= 0;
}

/* Gives the answer to the client, up to `limit` bytes; none at all when it is to be lost. */
static void relay_answer(const struct exchange *exchange, int server, size_t limit, bool lose)
{
        char piece[64 * 1024];
        ssize_t n;

        while (limit > 0 && (n = read(server, piece, sizeof(piece))) > 0) {
                size_t size = (size_t)n < limit ? (size_t)n : limit;

                if (!lose && write_all(exchange->client, piece, size) < 0)
                        return;
                limit -= size;
        }
}

static void hold(const struct exchange *exchange)
{
        struct pollfd client = { .fd = exchange->client, .events = POLLRDHUP };

        while (!atomic_load(&exchange->proxy->stopping) && poll(&client, 1, 20) == 0)
                ;
}

static void flip(struct exchange *exchange, const char *text)
{
        char *at = memmem(exchange->data, exchange->head_size, text, strlen(text));

        if (at)
                at[0] ^= 1;
}

static void serve(struct exchange *exchange)
{
        struct fault *fault;
        _cleanup_close_ int server = -EBADF;

        if (!read_head(exchange))
                return;
        atomic_fetch_add(&exchange->proxy->requests, 1);
        fault = meet(exchange);
        if (fault && fault->answer) {
                if (send_body(exchange, -1, SIZE_MAX))
                        (void)write_all(exchange->client, fault->answer, strlen(fault->answer));
                return;
        }
        if (fault && fault->flip) {
                flip(exchange, fault->flip);
                fault = NULL;
        }
        server = connect_to(exchange->proxy->server_port);
        if (server < 0 || !send_head(exchange, server))
                return;
        if (fault && !fault->cut_answer && !fault->lose_answer)
                (void)send_body(exchange, server, fault->body_bytes);
        else if (send_body(exchange, server, SIZE_MAX))
                relay_answer(exchange, server, fault && fault->cut_answer ? fault->body_bytes : SIZE_MAX,
                             fault && fault->lose_answer);
        if (fault && fault->stall)
                hold(exchange);
}

static void *run(void *userdata)
{
        _cleanup_free_ struct exchange *exchange = userdata;

        serve(exchange);
        shutdown(exchange->client, SHUT_RDWR);
        close(exchange->client);
        return NULL;
}

static void *accept_all(void *userdata)
{
        struct fault_proxy *proxy = userdata;

        for (;;) {
                int client = accept4(proxy->fd, NULL, NULL, SOCK_CLOEXEC);
                struct exchange *exchange;
                pthread_t thread;

                if (client < 0)
                        return NULL;
                exchange = calloc(1, sizeof(*exchange));
                exchange->proxy = proxy;
                exchange->client = client;
                pthread_create(&thread, NULL, run, exchange);
                pthread_detach(thread);
        }
}

void fault_proxy_start(struct fault_proxy *proxy, unsigned server_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        *proxy = (struct fault_proxy){ .server_port = server_port,
                                       .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        assert_int_equal(bind(proxy->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(proxy->fd, 16), 0);
        assert_int_equal(getsockname(proxy->fd, (struct sockaddr *)&address, &size), 0);
        proxy->port = ntohs(address.sin_port);
        (void)snprintf(proxy->endpoint, sizeof(proxy->endpoint), "http://127.0.0.1:%u", proxy->port);
        assert_int_equal(pthread_create(&proxy->thread, NULL, accept_all, proxy), 0);
}

void fault_proxy_stop(struct fault_proxy *proxy)
{
        atomic_store(&proxy->stopping, true);
        shutdown(proxy->fd, SHUT_RDWR);
        pthread_join(proxy->thread, NULL);
        close(proxy->fd);
}
