/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small HTTPS client that can misbehave: it sends what it is given, when it is told to. */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "pki.h"

struct client {
        SSL_CTX *context;
        SSL *ssl;
        int fd;
};

struct reply {
        int status;
        char *header, *body; /* NUL-terminated; the header with its status line */
        size_t body_size;
};

/* A TCP connection to 127.0.0.1; nothing is said on it yet. */
int tcp_connect(uint16_t port);

/* A handshake with this certificate (NULL: none), with at most this version of TLS (0: any) and, to resume
 * it, a session (NULL: none). It does not check the server. Returns whether it succeeded; with TLS 1.3 the
 * server's refusal is only seen by reading. The client is to be closed in either case. */
bool client_handshake(uint16_t port, const struct identity *who, int max_version, SSL_SESSION *session,
                      struct client *ret);

/* A connection that works; fails the test otherwise. */
struct client client_connect(uint16_t port, const struct identity *who);
void client_close(struct client *client);

void client_send(struct client *client, const char *text);
/* "METHOD TARGET HTTP/1.1", Host, the further fields (each with its CR LF) and the empty line. */
void client_request(struct client *client, const char *method, const char *target, const char *fields);

/* One whole response; fails the test when the connection ends or stays silent before. */
struct reply client_receive(struct client *client, bool head);
void reply_clear(struct reply *reply);
/* The value of a field, or NULL; owned by the caller. */
char *reply_field(const struct reply *reply, const char *name);

/* Whether there are bytes or the end of the connection to read now. */
bool client_has_input(struct client *client, int timeout_msec);
/* Whether the server ended the connection, waiting for it at most so long. */
bool client_is_ended(struct client *client, int timeout_msec);

/* One request on a connection of its own. */
struct reply ask(uint16_t port, const struct identity *who, const char *method, const char *target,
                 const char *fields);
