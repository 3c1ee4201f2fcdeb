/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One snapshot run: from etcd's stream to verified copies at every target. */

#include "configuration.h"
#include "destination.h"
#include "member-list.h"
#include "run-counts.h"

struct snapshot_request {
        const struct backup_config *config;
        const char *root, *state_dir;
        const char *node;
        uint64_t sequence; /* of the last copy that is known of */
};

struct snapshot_result {
        struct manifest *manifest;        /* NULL: nothing was taken */
        struct destination *destinations; /* as many as there are targets, each with its own failure */
        size_t count;
        bool confirmed;        /* etcd ended the stream in good order */
        struct failure remark; /* what a person should know of a copy that is good all the same */
        unsigned pruned;
        struct member_list members;   /* none: etcd did not tell */
        char held[RETENTION_WHY_MAX]; /* why nothing is pruned; "" */
        uint64_t stage_usec[STAGE_COUNT];
        uint64_t sequence; /* to be remembered */
};
#define _cleanup_snapshot_result_ _cleanup_(snapshot_result_clear) struct snapshot_result
void snapshot_result_clear(struct snapshot_result *result);

/* Takes the snapshot. Returns 0 when at least one target has a verified copy; else negative errno with a
 * failure, and nothing under a final name. SIGTERM, SIGINT and SIGHUP, which the caller has blocked, end it
 * with -ECANCELED. The result is to be cleared in any case. */
int snapshot_take(const struct snapshot_request *request, struct snapshot_result *ret_result,
                  struct failure *failure);
