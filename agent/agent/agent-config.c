/* SPDX-License-Identifier: Apache-2.0 */

#include "agent-config.h"

static const struct config_key keys[] = {
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
