/* SPDX-License-Identifier: Apache-2.0 */

#include "failure.h"

#include <string.h>

void failure_clear(struct failure *failure)
{
        free(failure->reason);
        free(failure->message);
        *failure = (struct failure){};
}

int failure_set(struct failure *failure, int error, const char *reason, const char *format, ...)
{
        char *message = NULL;
        va_list arguments;
        int r;

        if (!failure)
                return error;

        va_start(arguments, format);
        r = vasprintf(&message, format, arguments);
        va_end(arguments);

        failure_clear(failure);
        failure->reason = strdup(reason);
        failure->message = r < 0 ? NULL : message;
        return error;
}

void failure_prefix(struct failure *failure, const char *format, ...)
{
        _cleanup_free_ char *prefix = NULL;
        va_list arguments;
        char *message;
        int r;

        if (!failure || !failure->message)
                return;

        va_start(arguments, format);
        r = vasprintf(&prefix, format, arguments);
        va_end(arguments);
        if (r < 0) {
                prefix = NULL;
                return;
        }

        if (asprintf(&message, "%s: %s", prefix, failure->message) < 0)
                return;
        free(failure->message);
        failure->message = message;
}
