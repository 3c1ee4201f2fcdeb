/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which versions run here, for SCS-0210 (whoever has the list of releases judges their age), and whether
 * those of Kubernetes fit each other. */

#include "check.h"

struct versions {
        char api_server[64], kubelet[64]; /* as they say themselves: "v1.29.3"; empty: not known */
};

int versions_start(struct check_run *run);

/* All versions that are known, as the report has them. Returns 0 or negative errno. */
int versions_describe(struct node *node, json_object *versions);
