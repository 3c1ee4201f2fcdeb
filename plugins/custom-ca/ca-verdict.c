/* SPDX-License-Identifier: Apache-2.0 */

#include "ca-verdict.h"

#include <inttypes.h>
#include <stdio.h>

#include "quantity.h"
#include "x509.h"

static const struct authority *soonest(const struct authorities *authorities, const struct authority *than)
{
        for (size_t i = 0; i < authorities->count; i++)
                if (!than || certificate_not_after(authorities->items[i].certificate) <
                                     certificate_not_after(than->certificate))
                        than = &authorities->items[i];
        return than;
}

void ca_judge(const struct ca_input *input, struct ca_verdict *ret)
{
        const struct authority *first = soonest(input->known, soonest(input->wanted, NULL));
        uint64_t end = first ? certificate_not_after(first->certificate) : UINT64_MAX;

        *ret = (struct ca_verdict){ .status = CONDITION_FALSE };
        if (input->failure) {
                ret->reason = input->failure->reason;
                snprintf(ret->message, sizeof(ret->message), "%s", input->failure->message);
        } else if (end <= input->now_usec) {
                ret->reason = "AuthorityExpired";
                snprintf(ret->message, sizeof(ret->message),
                         "%s (%.19s…) has expired: put its successor beside it, then take it out",
                         first->name, first->fingerprint);
        } else if (end - input->now_usec < EXPIRY_WARNING_USEC) {
                ret->reason = "AuthorityExpiresSoon";
                snprintf(ret->message, sizeof(ret->message),
                         "%s (%.19s…) expires in %" PRIu64 " days: put its successor beside it now",
                         first->name, first->fingerprint, (end - input->now_usec) / USEC_PER_DAY);
        } else {
                ret->status = CONDITION_TRUE;
                ret->reason = "AllTrusted";
                snprintf(ret->message, sizeof(ret->message),
                         "%zu installed, %zu trusted by the system already%s", input->wanted->count,
                         input->known->count,
                         input->n_stale ? "; units with the old store are named in staleUnits" : "");
        }
}
