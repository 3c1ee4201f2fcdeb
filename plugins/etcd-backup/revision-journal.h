/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/revisions: how far etcd had come, and when. What was restored must go on above every revision that
 * anybody has seen: Kubernetes' controllers hold what they know against revisions, and one that comes again
 * with other content leaves them wrong for hours (kubernetes/kubernetes 107457). */

#include <stdint.h>

struct revision_mark {
        uint64_t realtime_usec;
        uint64_t cluster_id;
        int64_t revision;
        uint64_t raft_index;
};

/* Adds one, and keeps the last few hundred. Returns 0 or -errno. */
int revision_journal_add(const char *state_dir, const struct revision_mark *mark);

/* What a restore of a snapshot at `revision` has to go beyond: the highest revision of that cluster on record
 * (or `seen`, what was found otherwise, if that is higher), and what may have been written since the last
 * mark, at ten times the fastest pace on record and never less than a million. */
int revision_journal_floor(const char *state_dir, uint64_t cluster_id, int64_t revision, int64_t seen,
                           uint64_t now_usec, int64_t *ret_highest, int64_t *ret_bump);
