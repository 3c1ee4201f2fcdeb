/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/drill.json: what the last restore drill came to, from the oneshot to the resident part. */

#include "moment.h"

#define DRILL_FILE "drill.json"

enum drill_outcome { DRILL_PROVEN, DRILL_FAILED, DRILL_SKIPPED };
const char *drill_outcome_name(enum drill_outcome outcome);

struct drill_result {
        enum drill_outcome outcome;
        char *reason, *message;
        char *copy, *target; /* NULL: a snapshot that was taken for it */
        char *read_back;     /* the encrypted copy that was read, and not opened; NULL: none */
        int64_t revision;
        uint64_t recovery_usec; /* from the stored copy to an etcd that answers; 0: it did not come so far */
        struct moment finished;
};
#define _cleanup_drill_result_ _cleanup_(drill_result_clear) struct drill_result
void drill_result_clear(struct drill_result *result);

/* -ENOENT when there was no drill yet; -EINVAL for a file that is not of the form. */
int drill_result_load(const char *state_dir, struct drill_result *ret);
int drill_result_save(const char *state_dir, const struct drill_result *result);
