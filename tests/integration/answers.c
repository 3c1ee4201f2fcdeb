/* SPDX-License-Identifier: Apache-2.0 */

#include "answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "timestamp.h"

#define REQUEST_MAX (64 * 1024)

/* Reads one request; data has the beginning of it. False when the connection ended. */
static bool read_request(SSL *ssl, char data[static REQUEST_MAX])
{
        size_t size = 0;

        for (;;) {
                const char *end, *length;
                int n = SSL_read(ssl, data + size, (int)(REQUEST_MAX - 1 - size));

                if (n <= 0)
                        return false;
                size += (size_t)n;
                data[size] = '\0';
                end = strstr(data, "\r\n\r\n");
                length = strcasestr(data, "\r\nContent-Length:");
                if (end && size >= (size_t)(end + 4 - data) + (length ? strtoul(length + 17, NULL, 10) : 0))
                        return true;
        }
}

static void serve(struct answers *answers, int fd)
{
        SSL *ssl = SSL_new(answers->tls);
        char request[REQUEST_MAX];

        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1) {
                atomic_fetch_add(&answers->connections, 1);
                while (read_request(ssl, request)) {
                        unsigned number = atomic_load(&answers->requests), which = 0;

                        while (which < number && answers->texts[which + 1])
                                which++;
                        if (number < ANSWERS_MAX) {
                                answers->times_usec[number] = now_boottime_usec();
                                answers->methods[number] = request[0];
                        }
                        atomic_store(&answers->requests, number + 1);
                        if (SSL_write(ssl, answers->texts[which], (int)strlen(answers->texts[which])) <= 0)
                                break;
                }
        }
        SSL_free(ssl);
}

static void *run(void *userdata)
{
        struct answers *answers = userdata;

        for (;;) {
                _cleanup_close_ int fd = accept4(answers->fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        return NULL;
                atomic_store(&answers->connection, fd);
                serve(answers, fd);
                atomic_store(&answers->connection, -1);
        }
}

void answers_start(struct answers *answers, const struct identity *identity)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        answers->tls = SSL_CTX_new(TLS_server_method());
        assert_non_null(answers->tls);
        assert_int_equal(SSL_CTX_use_certificate(answers->tls, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(answers->tls, identity->key), 1);
        answers->connection = -1;
        answers->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(answers->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(answers->fd, 16), 0);
        assert_int_equal(getsockname(answers->fd, (struct sockaddr *)&address, &size), 0);
        answers->port = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&answers->thread, NULL, run, answers), 0);
}

void answers_stop(struct answers *answers)
{
        int connection;

        shutdown(answers->fd, SHUT_RDWR);
        connection = atomic_load(&answers->connection);
        if (connection >= 0)
                shutdown(connection, SHUT_RDWR);
        pthread_join(answers->thread, NULL);
        close(answers->fd);
        SSL_CTX_free(answers->tls);
}
