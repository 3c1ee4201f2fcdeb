/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `capi-node status`: the health document as one screen. It reads one file and works with everything else
 * down. */

#include <stdbool.h>

struct status_options {
        bool json, watch;
        const char *root; /* NULL: "/" */
};

/* Returns EXIT_GOOD for Healthy and Degraded, EXIT_UNHEALTHY otherwise, as /healthz does. */
int status_show(const struct status_options *options);
