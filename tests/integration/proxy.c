/* SPDX-License-Identifier: Apache-2.0 */

#include "proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "files.h"
#include "program.h"

struct connection {
        struct proxy *proxy;
        int client;
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

static void change(struct proxy *proxy, char *data, size_t size)
{
        char *at = proxy->flip_in ? memmem(data, size, proxy->flip_in, strlen(proxy->flip_in)) : NULL;

        if (at && !atomic_exchange(&proxy->flipped, true))
                at[0] ^= 1;
}

static void hold(struct proxy *proxy)
{
        atomic_store(&proxy->held, true);
        while (!atomic_load(&proxy->released))
                poll(NULL, 0, 1);
}

/* Moves what is there from one to the other. Returns the number of bytes, 0 or less at the end. */
static ssize_t move(struct proxy *proxy, int from, int to, bool from_server)
{
        char data[64 * 1024];
        ssize_t n = read(from, data, sizeof(data));

        if (n <= 0)
                return n;
        if (from_server)
                change(proxy, data, (size_t)n);
        return write_all(to, data, (size_t)n) < 0 ? -1 : n;
}

static void *relay(void *userdata)
{
        _cleanup_free_ struct connection *connection = userdata;
        _cleanup_close_ int client = connection->client, server = connect_to(connection->proxy->target_port);
        struct pollfd fds[] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
        struct proxy *proxy = connection->proxy;
        size_t from_server = 0;
        ssize_t n = 1;

        while (server >= 0 && n > 0 && poll(fds, ELEMENTS(fds), -1) > 0) {
                if (fds[0].revents)
                        n = move(proxy, client, server, false);
                if (n > 0 && fds[1].revents) {
                        n = move(proxy, server, client, true);
                        from_server += n > 0 ? (size_t)n : 0;
                }
                if (proxy->hold_at > 0 && from_server >= proxy->hold_at && !atomic_load(&proxy->released)) {
                        hold(proxy);
                        n = proxy->cut ? 0 : n;
                }
        }
        return NULL;
}

static void *accept_all(void *userdata)
{
        struct proxy *proxy = userdata;

        for (;;) {
                struct connection *connection = malloc(sizeof(*connection));
                pthread_t thread;

                *connection = (struct connection){ proxy, accept4(proxy->fd, NULL, NULL, SOCK_CLOEXEC) };
                if (connection->client < 0) {
                        free(connection);
                        return NULL;
                }
                atomic_fetch_add(&proxy->connections, 1);
                pthread_create(&thread, NULL, relay, connection);
                pthread_detach(thread);
        }
}

void proxy_start(struct proxy *proxy)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)proxy->port) };
        socklen_t size = sizeof(address);

        assert_int_equal(inet_pton(AF_INET, proxy->address ?: "127.0.0.1", &address.sin_addr), 1);
        proxy->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(proxy->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(proxy->fd, 16), 0);
        assert_int_equal(getsockname(proxy->fd, (struct sockaddr *)&address, &size), 0);
        proxy->port = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&proxy->thread, NULL, accept_all, proxy), 0);
}

static bool is_held(void *userdata)
{
        struct proxy *proxy = userdata;

        return atomic_load(&proxy->held);
}

void proxy_wait_held(struct proxy *proxy)
{
        wait_until(is_held, proxy, "the middle of the stream");
}

void proxy_release(struct proxy *proxy)
{
        atomic_store(&proxy->released, true);
}

void proxy_stop(struct proxy *proxy)
{
        proxy_release(proxy);
        shutdown(proxy->fd, SHUT_RDWR);
        pthread_join(proxy->thread, NULL);
        close(proxy->fd);
}
