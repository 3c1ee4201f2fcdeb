/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The check table: one row is one check, with all that the scheduler, the conditions, the report and the
 * manual need. To add a check, write its start function and add a row in checks.c and its object in config.c.
 */

#include <stddef.h>
#include <stdint.h>

#include "check-result.h"
#include "condition.h"
#include "json.h"
#include "role.h"

struct check_run;
struct node;

struct check {
        const char *name;       /* in the configuration, the report, the metrics and the manual's anchor */
        const char *summary;    /* what OK means */
        enum role role;         /* elsewhere it does not run and is not reported */
        uint64_t interval_usec; /* 0: the configuration's "interval" */
        uint64_t deadline_usec; /* a run that takes longer is cancelled and counts as Unknown */
        unsigned fail_after;    /* so many bad results in a row before a good status is given up */
        unsigned ok_after;      /* so many good results in a row before Fail is given up */
        const char *condition;  /* the condition it feeds, or NULL */
        enum severity severity; /* Fatal: decides the condition; Warning: the condition only tells of it */
        const char *doc;
        size_t config; /* offset in struct node_health_config of its object, which starts with `enabled` */
        /* Begins a run. It ends with exactly one check_finish, at once or from the event loop, unless the run
         * is cancelled. Returns 0 or negative errno (then the run is over, and Unknown). Never blocks. */
        int (*start)(struct check_run *run);
        /* Adds what the last runs measured; may be NULL. Returns 0 or -ENOMEM. */
        int (*metrics)(const struct node *node, json_object *metrics);
};

extern const struct check checks[];
extern const size_t n_checks;

/* What a run is given, and may leave for its end. */
struct check_run {
        const struct check *check;
        struct node *node;
        void *userdata; /* what is under way, for cancel; NULL at the start */
        /* Stops what start has begun; called at the deadline, at a change of configuration and at exit. The
         * scheduler forgets it when the run has finished. NULL: nothing to stop. */
        void (*cancel)(struct check_run *run);
};

void check_finish(struct check_run *run, const struct check_result *result);

/* Instead of check_finish: what the check looks at is not on this node. It is not reported, and runs again
 * at its interval. */
void check_finish_absent(struct check_run *run);
