/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/agent.json: where the agent publishes. */

#include "config.h"

struct kubernetes_config {
        bool enabled;
        char *kubeconfig;
        uint64_t heartbeat_usec;
};

/* Pushing to the management plane; url NULL: not wanted. */
struct report_config {
        char *url;
        char *ca_file, *cert_file, *key_file, *token_file; /* each may be NULL */
        char *proxy;
        uint64_t heartbeat_usec, debounce_usec;
};

struct agent_config {
        struct kubernetes_config kubernetes;
        struct report_config report;
        char *textfile; /* NULL: none */
};

extern const struct config_type agent_config_type;

/* What holds without an agent.json, and without a good one: the agent's own troubles are to be published,
 * too. Freed with config_free. Returns 0 or -ENOMEM. */
int agent_config_default(struct agent_config **ret);
