/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/gateway.json: read by the agent, which checks and places what it names, and by the
 * gateway. */

#include "config.h"

struct gateway_allow {
        struct config_strings common_names;
        struct config_strings organizations;
};

struct gateway_config {
        struct config_strings listen; /* "ADDRESS:PORT", "[V6]:PORT" */
        char *cert_file, *key_file;   /* both NULL: the agent makes them */
        char *client_ca_file;
        struct gateway_allow allow;  /* may read everything */
        struct gateway_allow scrape; /* may read /metrics only */
        int64_t connections, requests_per_second;
};

extern const struct config_type gateway_config_type;

/* Splits "ADDRESS:PORT" or "[V6]:PORT". The address buffer takes any numeric address. Returns 0 or -EINVAL.
 */
#define GATEWAY_ADDRESS_SIZE 64
int gateway_listen_parse(const char *text, char ret_address[static GATEWAY_ADDRESS_SIZE], uint16_t *ret_port);
