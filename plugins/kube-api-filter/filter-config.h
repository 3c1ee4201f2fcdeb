/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/kube-api-filter.json. */

#include "config.h"

#define AUTO "auto" /* in a list: what the node itself knows */

enum filter_mode { FILTER_ENFORCE, FILTER_AUDIT };

struct filter_config {
        int mode; /* enum filter_mode */
        struct config_strings allow, allow_files, management, nodes, pods, services, load_balancer;
        struct config_integers ports;
        uint64_t confirm_usec;
        bool force;
        char *kubeconfig;
};

extern const struct config_type filter_config_type;
