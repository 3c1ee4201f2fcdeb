/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the condition says of the endpoints, as long as their files are in force. Pure. */

#include "condition.h"
#include "plan.h"
#include "standing.h"

struct probe_verdict {
        enum condition_status status;
        const char *reason; /* static */
        char message[CONDITION_MESSAGE_MAX];
};

/* standings: one for each of the plan's hosts, none NULL. True/AllEndpointsAnswer; Unknown/NotCheckedYet as
 * long as one was never asked and none is bad; False/NoEndpointAnswers when a registry without fallback has
 * nobody left to ask, else False with the reason of the first bad endpoint. */
void probe_verdict(const struct mirror_plan *plan, const struct standing *const *standings,
                   struct probe_verdict *ret);
