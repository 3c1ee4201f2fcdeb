/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the condition says. Pure. */

#include "condition.h"
#include "config.h"
#include "failure.h"

struct proxy_input {
        const struct failure *failure;          /* why the files are not so; NULL: they are */
        const struct config_strings *shadowing; /* drop-ins of others */
        const struct config_strings *stale;     /* units that run with what was before */
        const struct failure *probe; /* why the proxy does not serve us; NULL: it does, or is not asked */
        bool probed;
        size_t n_units;
};

struct proxy_verdict {
        enum condition_status status;
        const char *reason; /* borrowed from the input or static */
        char message[512];
};

/* InForce, DropInShadowed, UnitsNotRestarted, or a failure's reason. */
void proxy_judge(const struct proxy_input *input, struct proxy_verdict *ret);
