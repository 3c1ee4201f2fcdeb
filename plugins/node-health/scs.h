/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the Sovereign Cloud Stack's standards ask of a node, as far as its own files show it:
 * SCS-0215 (robustness) and SCS-0217 (hardening), under the names of SCS's own tests where there are
 * (SovereignCloudStack/standards, Tests/kaas/kaas-sonobuoy-tests). */

#include <stdbool.h>
#include <stddef.h>

#include "check.h"

#define SCS_FACTS_MAX 16

enum scs_status { SCS_UNKNOWN, SCS_PASS, SCS_FAIL };

struct scs_fact {
        const char *name;
        enum scs_status status;
        char message[192]; /* what was found */
};

struct scs_standard {
        struct scs_fact facts[SCS_FACTS_MAX];
        size_t count;
};

struct scs_facts {
        struct scs_standard scs_0215, scs_0217;
};

int scs_0215_start(struct check_run *run);
int scs_0217_start(struct check_run *run);
int scs_0215_metrics(const struct node *node, json_object *metrics);
int scs_0217_metrics(const struct node *node, json_object *metrics);

/* Adds the facts to a report's info, as "scs-0215" and "scs-0217". Returns 0 or -ENOMEM. */
int scs_add_info(const struct scs_facts *facts, json_object *info);
