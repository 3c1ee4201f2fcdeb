/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/proxy.json. */

#include "config.h"

#define UNITS_MAX 16

struct proxy_config {
        char *http_proxy, *https_proxy; /* NULL: none for that scheme */
        char *credentials_file;         /* may be NULL */
        struct config_strings no_proxy, units;
        bool environment_d, profile_d, apt;
        bool allow_restart;
        struct {
                char *target; /* HOST:PORT; NULL: no probe */
                uint64_t interval_usec;
        } probe;
};

extern const struct config_type proxy_config_type;
