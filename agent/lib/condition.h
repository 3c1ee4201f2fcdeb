/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Kubernetes-shaped conditions (API conventions, "Typical status properties") plus healthy and severity: some
 * types are good when False, and MachineHealthCheck has to know which matter. */

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"

#define CONDITION_REASON_MAX  128
#define CONDITION_MESSAGE_MAX 1024

enum condition_status { CONDITION_UNKNOWN, CONDITION_TRUE, CONDITION_FALSE };
enum severity { SEVERITY_WARNING, SEVERITY_FATAL };

/* What a plugin declares: one row per type that it reports. */
struct condition_type {
        const char *type; /* "EtcdBackupHealthy" */
        enum severity severity;
        bool good_when_false; /* as ReadonlyFilesystem */
};

struct condition {
        char *type, *reason, *message;
        enum condition_status status;
        enum severity severity;
        bool good_when_false;
        uint64_t transition_usec; /* CLOCK_REALTIME of the last change of status */
};

void condition_clear(struct condition *condition);

/* Sets status, reason and message (cut at their limits); the transition time moves to now_usec only when the
 * status changes. Returns 1 when status, reason or message changed, 0 when not, or -ENOMEM with the condition
 * untouched. */
int condition_set(struct condition *condition, enum condition_status status, const char *reason,
                  const char *message, uint64_t now_usec);

/* true, false, or -1 for Unknown (null in JSON). */
int condition_healthy(const struct condition *condition);

const char *condition_status_name(enum condition_status status);
const char *severity_name(enum severity severity);

/* The JSON form of FORMATS; condition_read refuses what is not of that form with -EINVAL. */
int condition_write(const struct condition *condition, json_object **ret);
int condition_read(json_object *object, struct condition *ret, struct failure *failure);
