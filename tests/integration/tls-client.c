/* SPDX-License-Identifier: Apache-2.0 */

#include "tls-client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cleanup.h"
#include "program.h"

int tcp_connect(uint16_t port)
{
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_port = htons(port),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        const struct timeval limit = { .tv_sec = DEADLINE_SECONDS };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                close(fd);
                return -errno;
        }
        return fd;
}

bool client_handshake(uint16_t port, const struct identity *who, int max_version, SSL_SESSION *session,
                      struct client *ret)
{
        struct client client = { .context = SSL_CTX_new(TLS_client_method()), .fd = tcp_connect(port) };

        assert_non_null(client.context);
        assert_true(client.fd >= 0);
        if (max_version > 0) {
                /* Level 0, because at higher ones this side would be the one that refuses TLS 1.1. */
                SSL_CTX_set_security_level(client.context, 0);
                assert_int_equal(SSL_CTX_set_max_proto_version(client.context, max_version), 1);
        }
        client.ssl = SSL_new(client.context);
        assert_non_null(client.ssl);
        if (who) {
                assert_int_equal(SSL_use_certificate(client.ssl, who->certificate), 1);
                assert_int_equal(SSL_use_PrivateKey(client.ssl, who->key), 1);
        }
        if (session)
                assert_int_equal(SSL_set_session(client.ssl, session), 1);
        assert_int_equal(SSL_set_fd(client.ssl, client.fd), 1);
        *ret = client;
        ERR_clear_error();
        return SSL_connect(client.ssl) == 1;
}

struct client client_connect(uint16_t port, const struct identity *who)
{
        struct client client;

        assert_true(client_handshake(port, who, 0, NULL, &client));
        return client;
}

void client_close(struct client *client)
{
        SSL_free(client->ssl);
        SSL_CTX_free(client->context);
        closep(&client->fd);
        *client = (struct client){ .fd = -EBADF };
        ERR_clear_error();
}

void client_send(struct client *client, const char *text)
{
        assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), (int)strlen(text));
}

void client_request(struct client *client, const char *method, const char *target, const char *fields)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "%s %s HTTP/1.1\r\nHost: node\r\n%s\r\n", method, target, fields) > 0);
        client_send(client, text);
}

/* Reads until the text stands at the end. */
static char *read_header(struct client *client)
{
        char *header = calloc(1, 4096);
        size_t size = 0;

        assert_non_null(header);
        while (!strstr(header, "\r\n\r\n")) {
                assert_true(size < 4095);
                if (SSL_read(client->ssl, header + size, 1) != 1)
                        fail_msg("the connection ended behind \"%s\"", header);
                size++;
        }
        return header;
}

struct reply client_receive(struct client *client, bool head)
{
        struct reply reply = { .header = read_header(client) };
        _cleanup_free_ char *length = reply_field(&reply, "Content-Length");
        size_t size = 0;

        assert_memory_equal(reply.header, "HTTP/1.1 ", 9);
        reply.status = (int)strtol(reply.header + 9, NULL, 10);
        reply.body_size = length && !head ? strtoul(length, NULL, 10) : 0;
        reply.body = calloc(1, reply.body_size + 1);
        assert_non_null(reply.body);
        while (size < reply.body_size) {
                int n = SSL_read(client->ssl, reply.body + size, (int)(reply.body_size - size));

                assert_true(n > 0);
                size += (size_t)n;
        }
        return reply;
}

void reply_clear(struct reply *reply)
{
        free(reply->header);
        free(reply->body);
        *reply = (struct reply){};
}

char *reply_field(const struct reply *reply, const char *name)
{
        _cleanup_free_ char *start = NULL;
        const char *found;

        assert_true(asprintf(&start, "\r\n%s: ", name) > 0);
        found = strstr(reply->header, start);
        if (!found)
                return NULL;
        found += strlen(start);
        return strndup(found, strcspn(found, "\r"));
}

bool client_has_input(struct client *client, int timeout_msec)
{
        struct pollfd readable = { .fd = client->fd, .events = POLLIN };

        return SSL_pending(client->ssl) > 0 || poll(&readable, 1, timeout_msec) == 1;
}

bool client_is_ended(struct client *client, int timeout_msec)
{
        char byte;

        if (!client_has_input(client, timeout_msec))
                return false;
        ERR_clear_error();
        return SSL_read(client->ssl, &byte, 1) <= 0;
}

struct reply ask(uint16_t port, const struct identity *who, const char *method, const char *target,
                 const char *fields)
{
        struct client client = client_connect(port, who);
        struct reply reply;

        client_request(&client, method, target, fields);
        reply = client_receive(&client, strcmp(method, "HEAD") == 0);
        client_close(&client);
        return reply;
}
