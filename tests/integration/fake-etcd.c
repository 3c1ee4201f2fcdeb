/* SPDX-License-Identifier: Apache-2.0 */

#include "fake-etcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "digest.h"
#include "files.h"
#include "../unit/etcd-database-file.h"

/* RFC 9113 */
enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_SETTINGS = 4, FRAME_PING = 6 };
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4 };
#define PREFACE_SIZE 24
#define FRAME_MAX    16384
#define PIECE        4096

struct peer {
        struct fake_etcd *etcd;
        int fd;
        uint32_t stream;
};

static void send_frame(const struct peer *peer, uint8_t type, uint8_t flags, uint32_t stream,
                       const void *data, size_t size)
{
        uint8_t header[9] = { (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags };
        uint32_t id = htonl(stream);

        memcpy(header + 5, &id, sizeof(id));
        (void)write_all(peer->fd, header, sizeof(header));
        (void)write_all(peer->fd, data, size);
}

static void send_data(const struct peer *peer, const uint8_t *data, size_t size)
{
        for (size_t n; size > 0; data += n, size -= n) {
                n = size < FRAME_MAX ? size : FRAME_MAX;
                send_frame(peer, FRAME_DATA, 0, peer->stream, data, n);
        }
}

/* A literal field without a name from the table (RFC 7541 6.2.2). */
static size_t put_field(uint8_t *at, const char *name, const char *value)
{
        size_t n = strlen(name), v = strlen(value);

        at[0] = 0;
        at[1] = (uint8_t)n;
        memcpy(at + 2, name, n);
        at[2 + n] = (uint8_t)v;
        memcpy(at + 3 + n, value, v);
        return 3 + n + v;
}

static void send_headers(const struct peer *peer)
{
        uint8_t block[64] = { 0x88 }; /* :status 200 */
        size_t size = 1 + put_field(block + 1, "content-type", "application/grpc");

        send_frame(peer, FRAME_HEADERS, FLAG_END_HEADERS, peer->stream, block, size);
}

static void send_status(const struct peer *peer, unsigned status)
{
        uint8_t block[64];
        char text[12];
        size_t size;

        (void)snprintf(text, sizeof(text), "%u", status);
        size = put_field(block, "grpc-status", text);
        send_frame(peer, FRAME_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, peer->stream, block, size);
}

static size_t put_varint(uint8_t *at, uint64_t value)
{
        size_t n = 0;

        for (; value > 0x7f; value >>= 7)
                at[n++] = (uint8_t)(value | 0x80);
        at[n++] = (uint8_t)value;
        return n;
}

static size_t put_number(uint8_t *at, unsigned field, uint64_t value)
{
        at[0] = (uint8_t)(field << 3);
        return 1 + put_varint(at + 1, value);
}

/* The prefix of a message, with a length that need not be its own. */
static void send_prefix(const struct peer *peer, uint8_t compressed, uint32_t size)
{
        uint8_t prefix[5] = { compressed };
        uint32_t big = htonl(size);

        memcpy(prefix + 1, &big, sizeof(big));
        send_data(peer, prefix, sizeof(prefix));
}

static void answer_status(const struct peer *peer)
{
        uint8_t message[64], header[32];
        size_t n = put_number(header, 1, 77), size = 0;

        n += put_number(header + n, 2, DATABASE_MEMBER);
        n += put_number(header + n, 3, 1);
        message[size++] = 1 << 3 | 2;
        message[size++] = (uint8_t)n;
        memcpy(message + size, header, n);
        size += n;
        size += put_number(message + size, 3, DATABASE_SIZE);
        size += put_number(message + size, 5, 9);
        send_headers(peer);
        send_prefix(peer, 0, (uint32_t)size);
        send_data(peer, message, size);
        send_status(peer, 0);
}

static void send_piece(const struct peer *peer, uint64_t remaining, const uint8_t *bytes, size_t size,
                       uint32_t more)
{
        uint8_t message[PIECE + 32];
        size_t n = remaining > 0 ? put_number(message, 2, remaining) : 0;

        if (size > 0) {
                message[n++] = 3 << 3 | 2;
                n += put_varint(message + n, size);
                memcpy(message + n, bytes, size);
                n += size;
        }
        send_prefix(peer, peer->etcd->fault == FAULT_COMPRESSED, (uint32_t)n + more);
        send_data(peer, message, n);
}

static bool client_is_there(const struct peer *peer)
{
        struct pollfd pollfd = { .fd = peer->fd, .events = POLLRDHUP };

        (void)poll(&pollfd, 1, 0);
        return !(pollfd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void wait_for_the_client_to_go(const struct peer *peer)
{
        while (client_is_there(peer))
                poll(NULL, 0, 5);
        atomic_store(&peer->etcd->closed, true);
}

/* In the middle. Returns whether the stream goes on. */
static bool go_wrong(const struct peer *peer, uint64_t remaining)
{
        switch (peer->etcd->fault) {
        case FAULT_NONE:
        case FAULT_NO_STATUS:
        case FAULT_NO_HASH:
        case FAULT_COMPRESSED:
                return true;
        case FAULT_CUT:
                send_status(peer, 0);
                return false;
        case FAULT_GRPC_STATUS:
                send_status(peer, peer->etcd->status);
                return false;
        case FAULT_ENDLESS_EMPTY:
                while (client_is_there(peer))
                        send_piece(peer, remaining, NULL, 0, 0);
                atomic_store(&peer->etcd->closed, true);
                return false;
        case FAULT_LARGE_MESSAGE:
                send_prefix(peer, 0, 5 * 1024 * 1024);
                wait_for_the_client_to_go(peer);
                return false;
        case FAULT_LONG_PREFIX:
                send_piece(peer, remaining, NULL, 0, 1000);
                send_status(peer, 0);
                return false;
        case FAULT_SILENCE:
                wait_for_the_client_to_go(peer);
                return false;
        }
        return false;
}

static void answer_snapshot(const struct peer *peer)
{
        uint8_t database[DATABASE_SIZE], digest[SHA256_SIZE];
        struct hasher *hasher;

        database_make(database);
        (void)hasher_new(&hasher);
        (void)hasher_add(hasher, database, sizeof(database));
        (void)hasher_finish(hasher, digest);
        hasher_free(hasher);

        send_headers(peer);
        for (size_t at = 0; at < sizeof(database); at += PIECE) {
                if (at == sizeof(database) / PIECE / 2 * PIECE && !go_wrong(peer, sizeof(database) - at))
                        return;
                send_piece(peer, sizeof(database) - at - PIECE, database + at, PIECE, 0);
        }
        if (peer->etcd->fault != FAULT_NO_HASH)
                send_piece(peer, 0, digest, sizeof(digest), 0);
        if (peer->etcd->fault != FAULT_NO_STATUS)
                send_status(peer, 0);
        else
                send_frame(peer, FRAME_DATA, FLAG_END_STREAM, peer->stream, NULL, 0);
}

static bool read_all(int fd, uint8_t *bytes, size_t size)
{
        return size == 0 || recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

static void serve(struct fake_etcd *etcd, int fd)
{
        uint8_t header[9], payload[FRAME_MAX];
        struct peer peer = { etcd, fd, 0 };
        bool agreed = false; /* as servers do, not before both settings are in force */

        if (!read_all(fd, payload, PREFACE_SIZE))
                return;
        send_frame(&peer, FRAME_SETTINGS, 0, 0, NULL, 0);
        while (read_all(fd, header, sizeof(header))) {
                size_t size = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
                uint32_t id;

                if (size > sizeof(payload) || !read_all(fd, payload, size))
                        return;
                memcpy(&id, header + 5, sizeof(id));
                if (header[3] == FRAME_SETTINGS && !(header[4] & FLAG_ACK))
                        send_frame(&peer, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
                else if (header[3] == FRAME_PING && !(header[4] & FLAG_ACK))
                        send_frame(&peer, FRAME_PING, FLAG_ACK, 0, payload, size);
                else if (header[3] == FRAME_SETTINGS)
                        agreed = true;
                if (header[3] == FRAME_DATA && (header[4] & FLAG_END_STREAM))
                        peer.stream = ntohl(id);
                if (!agreed || peer.stream == 0)
                        continue;
                if (atomic_fetch_add(&etcd->requests, 1) % 3 < 2)
                        answer_status(&peer);
                else
                        answer_snapshot(&peer);
                peer.stream = 0;
        }
}

struct connection {
        struct fake_etcd *etcd;
        int fd;
};

static void *serve_one(void *userdata)
{
        _cleanup_free_ struct connection *connection = userdata;

        serve(connection->etcd, connection->fd);
        close(connection->fd);
        return NULL;
}

/* A client may keep its first connection open and make another. */
static void *run(void *userdata)
{
        struct fake_etcd *etcd = userdata;
        pthread_t threads[4];
        unsigned n = 0;
        int fd;

        while (n < ELEMENTS(threads) && (fd = accept4(etcd->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                struct connection *connection = malloc(sizeof(*connection));

                *connection = (struct connection){ etcd, fd };
                if (pthread_create(&threads[n], NULL, serve_one, connection) == 0)
                        n++;
        }
        while (n > 0)
                (void)pthread_join(threads[--n], NULL);
        return NULL;
}

void fake_etcd_start(struct fake_etcd *etcd)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        etcd->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(etcd->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(etcd->fd, 4), 0);
        assert_int_equal(getsockname(etcd->fd, (struct sockaddr *)&address, &size), 0);
        etcd->port = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&etcd->thread, NULL, run, etcd), 0);
}

void fake_etcd_stop(struct fake_etcd *etcd)
{
        (void)shutdown(etcd->fd, SHUT_RDWR);
        (void)pthread_join(etcd->thread, NULL);
        close(etcd->fd);
}
