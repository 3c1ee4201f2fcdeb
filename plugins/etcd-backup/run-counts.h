/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is counted of runs, over restarts: part of STATE/last-run.json. */

#include "json.h"

/* The parts of a run, in their order. A stage that a run did not come to took no time. */
enum run_stage {
        STAGE_ASK,     /* etcd's status and members */
        STAGE_STREAM,  /* receive, hash, compress, encrypt, write */
        STAGE_WALK,    /* through the database */
        STAGE_VERIFY,  /* what is stored, read back */
        STAGE_PUBLISH, /* names and manifests */
        STAGE_DELIVER, /* to targets over the network */
        STAGE_PRUNE,
        STAGE_COUNT,
};

/* "stream": as labels and keys have it. */
const char *run_stage_name(enum run_stage stage);

/* As "stagesUsec" of an object, by name. */
int run_stages_write(const uint64_t usec[static STAGE_COUNT], json_object *object);
void run_stages_read(json_object *object, uint64_t ret_usec[static STAGE_COUNT]); /* absent ones are 0 */

#define FAILURE_REASONS_MAX 48 /* the last counts the rest, as "Other" */
#define FAILURE_REASON_SIZE 64

struct failure_counts {
        struct failure_count {
                char reason[FAILURE_REASON_SIZE];
                uint64_t count;
        } items[FAILURE_REASONS_MAX];
        size_t count;
};

void failure_counts_add(struct failure_counts *counts, const char *reason);

/* As "failuresByReason" of an object. What is not of the form is not read. */
int failure_counts_write(const struct failure_counts *counts, json_object *object);
void failure_counts_read(json_object *object, struct failure_counts *ret);
