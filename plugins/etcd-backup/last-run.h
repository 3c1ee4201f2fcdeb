/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/last-run.json: what the last snapshot run came to, from the oneshot to the resident part. */

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "member-list.h"
#include "moment.h"
#include "run-counts.h"

#define LAST_RUN_FILE "last-run.json"

struct last_run {
        bool success;
        char *reason, *message; /* of a failure, as a condition shows them; of a success the message is the
                                   summary */
        struct moment finished;
        uint64_t duration_usec;
        uint64_t runs, failures; /* since the capability was set up */
        uint64_t sequence;       /* of the last copy */
        uint64_t stage_usec[STAGE_COUNT];
        struct failure_counts reasons; /* of the failures */
        struct member_list members;    /* when last they were told */
        char *held;                    /* why retention waits; NULL: it does not */
};
#define _cleanup_last_run_ _cleanup_(last_run_clear) struct last_run
void last_run_clear(struct last_run *run);

/* -ENOENT when there was no run yet; -EINVAL for a file that is not of the form. */
int last_run_load(const char *state_dir, struct last_run *ret);
int last_run_save(const char *state_dir, const struct last_run *run);
