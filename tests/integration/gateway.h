/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The real gateway below a scratch root, with a PKI of its own. The test stands in for systemd: the gateway's
 * READY and STATUS come in on a socket of it. */

#include <stdint.h>
#include <sys/types.h>

#include "pki.h"
#include "tls-client.h"

struct gateway_node {
        char *root;
        uint16_t port;
        pid_t pid; /* 0: not running */
        int notify_fd;
        struct identity ca, server;
        struct identity management; /* CN=management, allowed */
        struct identity prometheus; /* O=capi:health-readers, allowed */
        struct identity kubelet;    /* CN=system:node:a, O=system:nodes, of the same CA, not allowed */
};

/* cmocka's setup and teardown: a node with certificates, configuration and a health document, the gateway
 * started and ready. */
int gateway_node_start(void **state);
int gateway_node_stop(void **state);

#define GATEWAY_ALLOW \
        "\"allow\":{\"commonNames\":[\"management\"],\"organizations\":[\"capi:health-readers\"]}"

/* The pieces of that: material is what the agent would place. `more` are further members of the object. */
void gateway_write_config(const struct gateway_node *node, uint16_t port, const char *more);
void gateway_write_material(const struct gateway_node *node, const struct identity *server,
                            const struct identity *ca);
/* One of them by its name. The gateway is woken once, with all of it in place; of several files it may serve
 * some before the others come, so wait for what they bring. */
void gateway_place(const struct gateway_node *node, const char *name, const char *text);
void gateway_start(struct gateway_node *node);

/* The next line that the gateway sends to systemd with this text in it; fails the test when it does not come.
 * Owned by the caller. */
char *gateway_wait_notify(struct gateway_node *node, const char *text);

/* Writes health.json with one Fatal and one Warning condition; healthy is the Fatal one's, the Warning one is
 * not good. */
void gateway_write_health(const struct gateway_node *node, int sequence, bool healthy, const char *valid_for);

/* The value of a sample on the metrics page, or -1. */
double gateway_metric(const struct gateway_node *node, const char *sample);
