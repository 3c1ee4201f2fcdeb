/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/agent.json: where the agent publishes. */

#include "config.h"

struct agent_config {
        char *textfile; /* NULL: none */
};

extern const struct config_type agent_config_type;
