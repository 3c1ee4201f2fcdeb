/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The health document (FORMATS.md): all reports merged, aged and judged. Pure: time and inputs are
 * parameters. */

#include <stdint.h>

#include "capability.h"
#include "json.h"

/* The document is rewritten at least twice within the time for which it may be believed: between 20 and 30 s
 * after the last time, at a moment that the plugins' renewals fall on too. */
#define HEALTH_VALID_FOR_USEC (60 * UINT64_C(1000000))
#define HEALTH_REFRESH_USEC   (20 * UINT64_C(1000000))
#define HEALTH_SLACK_USEC     (10 * UINT64_C(1000000))
#define HEALTH_SIZE_MAX       (4 * 1024 * 1024)

struct health_input {
        const struct capabilities *capabilities;
        json_object *previous; /* the document before this one, for transition times and the sequence; may be
                                  NULL */
        const char *node;      /* NULL before join */
        const char *hostname;
        const char *phase;    /* "Bootstrapping" or "Joined" */
        json_object *checks;  /* the agent's own; may be NULL */
        json_object *timers;  /* the schedules; may be NULL */
        json_object *metrics; /* the agent's own families; may be NULL */
        uint64_t boottime_usec, realtime_usec;
        uint64_t started_usec; /* CLOCK_REALTIME, of the agent */
        uint64_t busy_usec;    /* the longest time for which the loop was held up lately */
};

/* The new document, owned by the caller. Its sequence is one more than the previous one's when a reader who
 * cares for conditions, capabilities, checks, phase or versions would see a difference. Returns 0 or -ENOMEM.
 */
int health_make(const struct health_input *input, json_object **ret);

/* The metrics page of the same moment: every trusted report's families, and the document's own. Owned by the
 * caller. */
int health_metrics(const struct health_input *input, json_object *document, char **ret_text,
                   size_t *ret_size);
