/* SPDX-License-Identifier: Apache-2.0 */

#include "verdict.h"

#include <stdio.h>
#include <string.h>

/* "a, b and 3 more" */
static void name_some(const struct config_strings *strings, char *buffer, size_t size)
{
        const size_t shown = 2;
        int n = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < strings->count && i < shown && n >= 0 && (size_t)n < size; i++)
                n += snprintf(buffer + n, size - (size_t)n, "%s%.120s", i ? ", " : "", strings->items[i]);
        if (strings->count > shown && n >= 0 && (size_t)n < size)
                snprintf(buffer + n, size - (size_t)n, " and %zu more", strings->count - shown);
}

void proxy_judge(const struct proxy_input *input, struct proxy_verdict *ret)
{
        const struct failure *failure = input->failure ?: input->probe;
        char names[300];

        *ret = (struct proxy_verdict){ .status = CONDITION_FALSE };
        if (input->failure || (input->shadowing->count == 0 && failure)) {
                ret->reason = failure->reason;
                snprintf(ret->message, sizeof(ret->message), "%s", failure->message);
        } else if (input->shadowing->count > 0) {
                name_some(input->shadowing, names, sizeof(names));
                ret->reason = "DropInShadowed";
                snprintf(ret->message, sizeof(ret->message),
                         "the proxy's variables do not count because of %s; move that away", names);
        } else if (input->stale->count > 0) {
                name_some(input->stale, names, sizeof(names));
                ret->reason = "UnitsNotRestarted";
                snprintf(ret->message, sizeof(ret->message),
                         "%s started before the proxy was changed; restart it, or set allowRestart", names);
        } else {
                ret->status = CONDITION_TRUE;
                ret->reason = "InForce";
                snprintf(ret->message, sizeof(ret->message), "%zu units have the proxy's variables%s",
                         input->n_units, input->probed ? ", and it connects" : "");
        }
}
