/* SPDX-License-Identifier: Apache-2.0 */

#include "check-result.h"

#include <math.h>
#include <stdarg.h>

#include "text.h"

static const char *const status_names[] = {
        [CHECK_UNKNOWN] = "Unknown",
        [CHECK_OK] = "OK",
        [CHECK_WARN] = "Warn",
        [CHECK_FAIL] = "Fail",
};

const char *check_status_name(enum check_status status)
{
        return status_names[status];
}

void check_result_set(struct check_result *result, enum check_status status, const char *reason,
                      const char *format, ...)
{
        va_list arguments;

        result->status = status;
        result->value = NAN;
        result->threshold = NAN;
        (void)snprintf(result->reason, sizeof(result->reason), "%s", reason);
        result->message[0] = '\0';
        va_start(arguments, format);
        text_append_arguments(result->message, sizeof(result->message), format, arguments);
        va_end(arguments);
}
