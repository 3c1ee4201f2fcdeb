/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One run of a snapshot, in steps: what they hand on to each other. Each returns 0 or negative errno; the
 * cause is in job->failure where the errno alone does not tell. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "etcd-database.h"
#include "etcd.h"
#include "progress.h"
#include "seal.h"
#include "snapshot-stream.h"
#include "snapshot.h"

struct job {
        const struct snapshot_request *request;
        struct snapshot_result *result;
        struct failure *failure; /* the cause, once there is one */

        sd_event *event;
        struct etcd_client *etcd;
        bool canceled;

        bool asking; /* a Status or Alarm call is under way */
        int status_error;
        bool listing; /* a MemberList call is under way */
        struct etcd_status status;

        bool streaming;
        int stream_error;
        struct snapshot_stream stream;
        struct archive_writer *writer;
        struct seal *seal;             /* NULL: not encrypted */
        struct hasher *stored;         /* of what is stored, encrypted or not, */
        uint32_t stored_crc;           /* also */
        struct authentication_key key; /* none: not authenticated */
        struct etcd_reader *reader;
        bool walks_from_disk; /* one pass did not do */
        struct progress progress;
        struct manifest *manifest;
        struct interrupt interrupt;
        bool spooled; /* the last destination is the spool */
};

/* snapshot.c: for all steps */
bool snapshot_knows_cause(const struct job *job);
bool snapshot_encrypts(const struct job *job);
bool snapshot_stop_asked(void *job);
int snapshot_canceled(struct job *job); /* -ECANCELED, with its failure */

/* Runs the loop while *waiting. */
int snapshot_wait_while(struct job *job, const bool *waiting);

/* snapshot-source.c: the member that the snapshot is taken from. Without its list of members only this node's
 * copies are pruned, so that one's failure is none of the run. */
int snapshot_take_status(struct job *job);
int snapshot_take_members(struct job *job);

/* snapshot-archive.c: from etcd's stream to the archive, and what the database says of itself */
int snapshot_receive(struct job *job);
int snapshot_walk(struct job *job);
int snapshot_finish_archive(struct job *job);
/* What a walk through the database found goes into the manifest and the name. */
int snapshot_take_walk(struct job *job, const struct etcd_database *database);

/* The directories for temporary files, in the order of preference; ends with NULL. Returns NULL when out of
 * memory. */
const char **snapshot_list_scratch(const struct job *job);

/* snapshot-targets.c: where the copies go */
int snapshot_open_targets(struct job *job);
int snapshot_choose_name(struct job *job);
int snapshot_verify(struct job *job);
int snapshot_publish(struct job *job);
int snapshot_deliver(struct job *job);
int snapshot_survey(struct job *job);
int snapshot_prune(struct job *job);

/* 0 while at least one directory can still get its copy, from where the others get theirs; else the first
 * failure becomes the run's. */
int snapshot_any_target(struct job *job);

/* The spool stands in when no directory can take what others are to get. Returns it, or NULL. */
struct destination *snapshot_open_spool(struct job *job);
