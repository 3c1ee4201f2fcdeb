/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What EtcdBackupHealthy says. A pure judgement, so that every case can be tested with any clock. */

#include <stdint.h>

#include "condition.h"
#include "control-plane.h"
#include "last-run.h"

struct health_target {
        const char *name;
        const char *copy; /* the newest whole copy; NULL: none */
        uint64_t age_usec;
        const char *trouble; /* why the last run could not store a copy there; NULL: it could */
};

struct health_input {
        enum node_role role;
        uint64_t waited_usec; /* in this role */
        uint64_t max_age_usec;
        const struct health_target *targets;
        size_t n_targets;
        const struct last_run *last; /* NULL: no run yet */
};

struct health_verdict {
        enum condition_status status;
        const char *reason;
        char message[CONDITION_MESSAGE_MAX + 1];
        uint64_t recheck_usec; /* after so long the verdict may differ though nothing happens; UINT64_MAX:
                                  never */
};

/* Every target must have a verified copy that is young enough: one that gets none for weeks is the silent
 * failure that nobody notices. A failed run beside fresh copies is told in the message, but is not unhealthy
 * yet. */
void health_judge(const struct health_input *input, struct health_verdict *ret);
