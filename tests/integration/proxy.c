/* SPDX-License-Identifier: Apache-2.0 */

#include "proxy.h"

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
#include "program.h"

/* RFC 9113 */
enum { FRAME_DATA = 0, FRAME_HEADERS = 1 };
enum { FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4 };
#define FRAME_HEAD 9

/* Where in its frames the server is. */
struct frames {
        uint8_t head[FRAME_HEAD];
        size_t have, left; /* bytes of the head; of the payload that are to come */
        size_t data;       /* bytes of all payloads of DATA */
        bool ended;        /* by another trailer */
};

struct connection {
        struct proxy *proxy;
        int client;
        struct frames frames;
};

/* What the kernel keeps of a held stream, and would deliver also when its sender is killed, grows with this
 * buffer, to megabytes if nobody bounds it. */
#define HELD_MAX (128 * 1024)

static int connect_to(const struct proxy *proxy)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons((uint16_t)proxy->target_port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), size = HELD_MAX;

        if (proxy->hold_at > 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -1;
}

static void change(struct proxy *proxy, char *data, size_t size)
{
        char *at = proxy->flip.in ? memmem(data, size, proxy->flip.in, proxy->flip.size) : NULL;

        if (at && !atomic_exchange(&proxy->flipped, true))
                at[proxy->flip.at] = (char)(at[proxy->flip.at] ^ proxy->flip.by);
}

/* Ends the stream, whose id stands in the head of its trailer. The status is a literal field without a name
 * from the table (RFC 7541 6.2.2). */
static void send_end(const struct frames *frames, const char *status, int to)
{
        uint8_t frame[FRAME_HEAD + 64] = {};
        int n = 0;

        if (status[0])
                n = snprintf((char *)frame + FRAME_HEAD, sizeof(frame) - FRAME_HEAD, "%c\vgrpc-status%c%s", 0,
                             (char)strlen(status), status);
        frame[2] = (uint8_t)n;
        frame[3] = n > 0 ? FRAME_HEADERS : FRAME_DATA;
        frame[4] = n > 0 ? FLAG_END_STREAM | FLAG_END_HEADERS : FLAG_END_STREAM;
        memcpy(frame + 5, frames->head + 5, 4);
        (void)write_all(to, frame, FRAME_HEAD + (size_t)n);
}

/* Returns whether the head that is now whole is that of the trailer which the test wants to be another. */
static bool begins_trailer(struct frames *frames)
{
        const uint8_t *head = frames->head;

        frames->have = 0;
        frames->left = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        frames->data += head[3] == FRAME_DATA ? frames->left : 0;
        return head[3] == FRAME_HEADERS && (head[4] & FLAG_END_STREAM) && frames->data > TRAILER_BEHIND;
}

/* Sends whole heads and their payloads on, up to the trailer, behind which nothing comes any more. */
static ssize_t move_frames(struct connection *connection, const uint8_t *data, size_t size, int to)
{
        struct frames *frames = &connection->frames;

        for (size_t at = 0, n; at < size && !frames->ended; at += n) {
                if (frames->left > 0) {
                        n = frames->left < size - at ? frames->left : size - at;
                        frames->left -= n;
                        if (write_all(to, data + at, n) < 0)
                                return -1;
                        continue;
                }
                n = 1;
                frames->head[frames->have++] = data[at];
                if (frames->have < FRAME_HEAD)
                        continue;
                if (begins_trailer(frames)) {
                        atomic_store(&connection->proxy->flipped, true);
                        send_end(frames, connection->proxy->trailer, to);
                        frames->ended = true;
                } else if (write_all(to, frames->head, FRAME_HEAD) < 0) {
                        return -1;
                }
        }
        return (ssize_t)size;
}

static void hold(struct proxy *proxy)
{
        atomic_store(&proxy->held, true);
        while (!atomic_load(&proxy->released))
                poll(NULL, 0, 1);
}

/* Moves what is there from one to the other. Returns the number of bytes, 0 or less at the end. */
static ssize_t move(int from, int to)
{
        char data[64 * 1024];
        ssize_t n = read(from, data, sizeof(data));

        return n <= 0 ? n : write_all(to, data, (size_t)n) < 0 ? -1 : n;
}

static ssize_t move_answer(struct connection *connection, int from)
{
        char data[64 * 1024];
        ssize_t n = read(from, data, sizeof(data));

        if (n <= 0)
                return n;
        change(connection->proxy, data, (size_t)n);
        if (connection->proxy->trailer)
                return move_frames(connection, (const uint8_t *)data, (size_t)n, connection->client);
        return write_all(connection->client, data, (size_t)n) < 0 ? -1 : n;
}

static void *relay(void *userdata)
{
        _cleanup_free_ struct connection *connection = userdata;
        _cleanup_close_ int client = connection->client, server = connect_to(connection->proxy);
        struct pollfd fds[] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
        struct proxy *proxy = connection->proxy;
        size_t from_server = 0;
        ssize_t n = 1;

        while (server >= 0 && n > 0 && poll(fds, ELEMENTS(fds), -1) > 0) {
                if (fds[0].revents)
                        n = move(client, server);
                if (n > 0 && fds[1].revents) {
                        n = move_answer(connection, server);
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

                *connection = (struct connection){ .proxy = proxy,
                                                   .client = accept4(proxy->fd, NULL, NULL, SOCK_CLOEXEC) };
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
