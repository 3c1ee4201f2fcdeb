/* SPDX-License-Identifier: Apache-2.0 */

/* What commands ask for, done in the process that holds the lock. */

#include <string.h>

#include "quantity.h"
#include "service.h"

static int perform(struct service *service, const struct request *request, struct failure *failure,
                   char **ret_text)
{
        struct filter *filter = service->filter;
        char duration[QUANTITY_SIZE];
        int r;

        switch (request->operation) {
        case OPERATION_APPLY:
                r = filter_retry(filter);
                if (r >= 0 && filter_phase(filter) == FILTER_CONFIRMED)
                        return asprintf(ret_text, "the list is in force already") < 0 ? -ENOMEM : 0;
                if (r >= 0 && filter_phase(filter) != FILTER_TRIAL)
                        r = filter_try(filter, request->usec, request->force, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "on trial for %s; confirm it: capi-node kube-api-filter confirm",
                                duration_format(request->usec, duration)) < 0
                               ? -ENOMEM
                               : 0;
        case OPERATION_CONFIRM:
                r = filter_confirm(filter, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "confirmed") < 0 ? -ENOMEM : 0;
        case OPERATION_ROLLBACK:
                if (!filter->state.candidate[0])
                        return failure_set(failure, -ENOENT, "NothingToConfirm", "no list is on trial");
                r = filter_rollback(filter, "taken back by command", failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "rolled back") < 0 ? -ENOMEM : 0;
        case OPERATION_DISABLE:
                r = filter_disable(filter, request->usec, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "everyone is let in for %s",
                                duration_format(request->usec, duration)) < 0
                               ? -ENOMEM
                               : 0;
        case OPERATION_ENABLE:
                r = filter_disable(filter, 0, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "enabled") < 0 ? -ENOMEM : 0;
        }
        return -EINVAL;
}

int service_perform(struct service *service, const struct request *request, char **ret_text)
{
        _cleanup_failure_ failure = {};
        int r;

        /* What the list is made of may have changed a moment ago. */
        if (service->tick && request->operation == OPERATION_APPLY)
                service_follow(service);
        service_pause(service);
        r = perform(service, request, &failure, ret_text);
        service_resume(service);
        if (r < 0)
                *ret_text = failure.message ? TAKE_PTR(failure.message) : strdup(strerror(-r));
        if (service->tick) {
                service_set_ready(service);
                (void)service_tick_now(service);
        }
        return r;
}
