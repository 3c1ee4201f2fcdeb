/* SPDX-License-Identifier: Apache-2.0 */

#include "agent-config.h"

#include <string.h>

#include "quantity.h"

static const struct config_key kubernetes_keys[] = {
        { .name = "enabled",
          .help = "Whether conditions, Events and the gateway's address are written to this node's Node "
                  "object.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct kubernetes_config, enabled),
          .fallback = "true" },
        { .name = "kubeconfig",
          .help = "The kubelet's kubeconfig; the agent waits for it and follows its client certificate.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct kubernetes_config, kubeconfig),
          .fallback = "\"/etc/kubernetes/kubelet.conf\"",
          .check = config_check_path },
        { .name = "heartbeat",
          .help = "How often the conditions are written when nothing changes, give or take 10 %.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct kubernetes_config, heartbeat_usec),
          .fallback = "\"5m\"",
          .minimum = USEC_PER_MIN,
          .maximum = USEC_PER_HOUR },
        {},
};

static const struct config_type kubernetes_type = {
        .name = "kubernetes",
        .help = "Publishing to Kubernetes with the kubelet's own credential.",
        .size = sizeof(struct kubernetes_config),
        .keys = kubernetes_keys,
};

/* What is pushed says much about the node, and a token travels with it. */
static int check_https(const char *value, const char **ret_allowed)
{
        int r = config_check_url(value, ret_allowed);

        if (r < 0)
                return r;
        *ret_allowed = "a URL that begins with https://";
        return strncmp(value, "https://", strlen("https://")) == 0 ? 0 : -EINVAL;
}

static const struct config_key report_keys[] = {
        { .name = "url",
          .help = "Where the health document is posted to, https.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct report_config, url),
          .required = true,
          .check = check_https },
        { .name = "caFile",
          .help = "Certificate authorities of the receiver, PEM; without it those of the system.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct report_config, ca_file),
          .check = config_check_path },
        { .name = "certFile",
          .help = "Client certificate with its chain, PEM; read for each POST.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct report_config, cert_file),
          .check = config_check_path },
        { .name = "keyFile",
          .help = "Private key of the client certificate, PEM, mode 0600.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct report_config, key_file),
          .check = config_check_path },
        { .name = "tokenFile",
          .help = "Bearer token, one line, mode 0600; read for each POST.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct report_config, token_file),
          .check = config_check_path },
        { .name = "proxy",
          .help = "HTTP proxy on the way to the receiver; the environment's is not used.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct report_config, proxy),
          .check = config_check_url },
        { .name = "heartbeat",
          .help = "How often the document is posted when nothing changes, give or take 10 %.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct report_config, heartbeat_usec),
          .fallback = "\"5m\"",
          .minimum = 30 * USEC_PER_SEC,
          .maximum = USEC_PER_DAY },
        { .name = "debounce",
          .help = "How long a change waits for others after the last POST.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct report_config, debounce_usec),
          .fallback = "\"15s\"",
          .minimum = USEC_PER_SEC,
          .maximum = USEC_PER_HOUR },
        {},
};

static int check_report(const void *object, const char *pointer, struct failure *failure)
{
        const struct report_config *config = object;

        if (!config->cert_file != !config->key_file)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"certFile\" and \"keyFile\" belong together", pointer);
        return 0;
}

static const struct config_type report_type = {
        .name = "report",
        .help = "Posting the health document to the management plane.",
        .size = sizeof(struct report_config),
        .keys = report_keys,
        .check = check_report,
};

static const struct config_key keys[] = {
        { .name = "kubernetes",
          .help = "Conditions, Events and an annotation on this node's Node object.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct agent_config, kubernetes),
          .type = &kubernetes_type },
        { .name = "report",
          .help = "Posting the health document to the management plane.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct agent_config, report),
          .type = &report_type },
        { .name = "textfile",
          .help = "Where node_exporter's textfile collector finds the metrics; the directory must exist.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct agent_config, textfile),
          .check = config_check_path },
        {},
};

const struct config_type agent_config_type = {
        .name = "agent",
        .help = "Where the agent publishes what the node's capabilities report.",
        .size = sizeof(struct agent_config),
        .keys = keys,
};

int agent_config_default(struct agent_config **ret)
{
        void *config;
        int r;

        r = config_parse(&agent_config_type, "agent.json", "{}", 2, &config, NULL);
        if (r < 0)
                return r;
        *ret = config;
        return 0;
}
