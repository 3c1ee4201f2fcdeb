/* SPDX-License-Identifier: Apache-2.0 */

#include "agent-config.h"

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

static const struct config_key keys[] = {
        { .name = "kubernetes",
          .help = "Conditions, Events and an annotation on this node's Node object.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct agent_config, kubernetes),
          .type = &kubernetes_type },
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
