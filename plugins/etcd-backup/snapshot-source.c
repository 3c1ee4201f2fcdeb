/* SPDX-License-Identifier: Apache-2.0 */

#include "snapshot-job.h"

#include <string.h>

#include "include.h"
#include "timestamp.h"

static void on_status(const struct etcd_status *status, int error, struct failure *found, void *userdata)
{
        struct job *job = userdata;

        job->asking = false;
        job->status_error = error;
        if (status)
                job->status = *status;
        else
                (void)failure_set(job->failure, error, found->reason, "%s", found->message);
}

static int ask_status(struct job *job)
{
        int r;

        r = etcd_status_start(job->etcd, on_status, job);
        if (r < 0)
                return r;
        job->asking = true;
        return 0;
}

static void on_corrupt(bool corrupt, int error, struct failure *failure, void *userdata)
{
        struct job *job = userdata;

        (void)failure;
        job->asking = false;
        /* Without an answer, what the member knows itself has to do: a snapshot is wanted most when quorum is
         * lost. */
        job->status.is_corrupt |= error >= 0 && corrupt;
}

static int check_source(struct job *job)
{
        const struct etcd_status *status = &job->status;
        int r;

        if (status->is_learner)
                return failure_set(
                        job->failure, -EAGAIN, "MemberIsLearner",
                        "this member is a learner that has not caught up yet; its copy would be old. The "
                        "next run tries again");
        if (status->db_size == 0 || status->member_id == 0)
                return failure_set(job->failure, -EAGAIN, "MemberHasNoDatabase",
                                   "this member has no database yet; the next run tries again");
        if (status->has_leader && !status->is_corrupt) {
                r = etcd_corrupt_start(job->etcd, status->member_id, on_corrupt, job);
                if (r < 0)
                        return r;
                job->asking = true;
                r = snapshot_wait_while(job, &job->asking);
                if (r < 0)
                        return r;
        }
        if (status->is_corrupt)
                return failure_set(
                        job->failure, -EBADMSG, "MemberIsCorrupt",
                        "etcd raised the alarm CORRUPT for this member: its data differ from the others'. "
                        "Nothing is taken from it; replace the member while the others are healthy (etcdctl "
                        "alarm list names it), or restore an earlier copy");
        return 0;
}

int snapshot_take_status(struct job *job)
{
        struct manifest *manifest = job->manifest;
        const struct etcd_status *status = &job->status;
        int r;

        r = ask_status(job);
        if (r < 0)
                return r;
        r = snapshot_wait_while(job, &job->asking);
        if (r < 0)
                return r;
        if (job->status_error < 0)
                return job->status_error;
        r = check_source(job);
        if (r < 0)
                return r;

        manifest->cluster = strdup(job->request->config->cluster);
        manifest->node = strdup(job->request->node);
        manifest->etcd_version = strdup(status->version[0] ? status->version : "unknown");
        if (!manifest->cluster || !manifest->node || !manifest->etcd_version)
                return -ENOMEM;
        manifest->kubernetes_version = include_kubernetes_version(job->request->root);
        manifest->cluster_id = status->cluster_id;
        manifest->member_id = status->member_id;
        manifest->revision = status->revision;
        manifest->raft_index = status->raft_index;
        manifest->sequence = job->result->sequence + 1;
        manifest->started_usec = now_realtime_usec();
        return 0;
}

static void on_members(const struct member_list *members, int error, struct failure *found, void *userdata)
{
        struct job *job = userdata;

        (void)error;
        (void)found;
        job->listing = false;
        if (!members || member_list_copy(members, &job->result->members) < 0)
                return;
        job->result->members.self_id = job->status.member_id;
        job->result->members.revision = job->status.revision;
}

int snapshot_take_members(struct job *job)
{
        int r;

        r = etcd_members_start(job->etcd, on_members, job);
        if (r < 0)
                return r;
        job->listing = true;
        return snapshot_wait_while(job, &job->listing);
}
