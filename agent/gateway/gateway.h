/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The running gateway: what its parts share. */

#include <openssl/ssl.h>
#include <systemd/sd-event.h>

#include "audit.h"
#include "client-rate.h"
#include "gateway-config.h"
#include "health-document.h"
#include "statistics.h"

struct connection;
struct server;
struct file_watch;

struct gateway {
        sd_event *event;
        char *directory; /* of the material: ROOT/run/capi-node-agent/gateway */
        struct file_watch *watch;

        /* In force; both are replaced together, see gateway.c. */
        struct gateway_config *config;
        SSL_CTX *tls;

        struct health_document *health;
        struct server *server;
        struct connection *connections;         /* the newest first */
        size_t n_connections, most_connections; /* now; since there were none */
        struct statistics statistics;
        struct client_rates rates;
        struct audit audit;
};

/* Serves until SIGTERM or until gateway.json is withdrawn. root: "/" or where tests put the paths. Returns an
 * exit status. */
int gateway_run(const char *root);
