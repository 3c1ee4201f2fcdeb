/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the condition says. Pure. */

#include "authority.h"
#include "condition.h"

#define EXPIRY_WARNING_USEC (30 * USEC_PER_DAY)

struct ca_input {
        const struct authorities *wanted, *known;
        const struct failure *failure; /* why the store is not right; NULL: it is */
        size_t n_stale;
        uint64_t now_usec; /* CLOCK_REALTIME */
};

struct ca_verdict {
        enum condition_status status;
        const char *reason; /* borrowed from the input or static */
        char message[512];
};

/* AllTrusted, AuthorityExpiresSoon, AuthorityExpired, or the failure's reason. */
void ca_judge(const struct ca_input *input, struct ca_verdict *ret);
