/* SPDX-License-Identifier: Apache-2.0 */

#include "snapshot.h"

#include <signal.h>
#include <string.h>

#include "fault-point.h"
#include "snapshot-job.h"
#include "timestamp.h"

static const int stop_signals[] = { SIGTERM, SIGINT, SIGHUP };

void snapshot_result_clear(struct snapshot_result *result)
{
        for (size_t i = 0; i < result->count; i++)
                destination_close(&result->destinations[i]);
        free(result->destinations);
        manifest_free(result->manifest);
        member_list_clear(&result->members);
        failure_clear(&result->remark);
        *result = (struct snapshot_result){};
}

static void job_clear(struct job *job)
{
        progress_end(&job->progress);
        etcd_client_free(job->etcd); /* closes the stream: no callback comes after this */
        archive_writer_free(job->writer);
        seal_free(job->seal);
        hasher_free(job->stored);
        authentication_key_clear(&job->key);
        snapshot_stream_clear(&job->stream);
        etcd_reader_free(job->reader);
        manifest_free(job->manifest);
        sd_event_unref(job->event);
}

bool snapshot_knows_cause(const struct job *job)
{
        return job->failure->reason != NULL;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct job *job = userdata;

        (void)source;
        (void)info;
        job->canceled = true;
        return 0;
}

/* Also outside the event loop: a blocked signal stays pending until the loop fetches it. */
bool snapshot_stop_asked(void *userdata)
{
        struct job *job = userdata;
        sigset_t pending;

        sigpending(&pending);
        for (size_t i = 0; i < ELEMENTS(stop_signals); i++)
                job->canceled |= sigismember(&pending, stop_signals[i]) == 1;
        return job->canceled;
}

int snapshot_canceled(struct job *job)
{
        return failure_set(job->failure, -ECANCELED, "Canceled",
                           "stopped by a signal before the copy was complete; nothing was kept");
}

int snapshot_wait_while(struct job *job, const bool *waiting)
{
        int r;

        while (*waiting) {
                r = sd_event_run(job->event, UINT64_MAX);
                if (r < 0)
                        return r;
                if (snapshot_stop_asked(job))
                        return snapshot_canceled(job);
        }
        return 0;
}

static int load_key(struct job *job)
{
        const char *file = job->request->config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(job->request->root, file) : NULL;

        if (!file)
                return 0;
        return path ? authentication_key_load(path, &job->key, job->failure) : -ENOMEM;
}

bool snapshot_encrypts(const struct job *job)
{
        return job->request->config->encryption.recipients.count > 0;
}

static int job_open(struct job *job)
{
        int r;

        r = load_key(job);
        if (r < 0)
                return r;
        r = sd_event_new(&job->event);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(stop_signals); i++) {
                r = sd_event_add_signal(job->event, NULL, stop_signals[i], on_signal, job);
                if (r < 0)
                        return r;
        }
        r = snapshot_stream_init(&job->stream);
        if (r >= 0)
                r = hasher_new(&job->stored);
        if (r < 0)
                return r;
        job->manifest = calloc(1, sizeof(*job->manifest));
        if (!job->manifest)
                return -ENOMEM;

        r = snapshot_open_targets(job);
        if (r < 0)
                return r;
        r = snapshot_any_target(job);
        if (r < 0)
                return r;
        return etcd_client_new(job->event, job->request->root, &job->request->config->etcd, &job->etcd,
                               job->failure);
}

/* In their order, each with what its time counts as, and what is reached then (fault-point.h). */
static const struct step {
        int (*run)(struct job *job);
        enum run_stage stage;
        const char *reached;
} steps[] = {
        { job_open, STAGE_ASK, "opened" },
        { snapshot_take_status, STAGE_ASK, "source-checked" },
        { snapshot_take_members, STAGE_ASK, "members-listed" },
        { snapshot_choose_name, STAGE_ASK, "named" },
        { snapshot_receive, STAGE_STREAM, "received" },
        { snapshot_walk, STAGE_WALK, "walked" },
        { snapshot_finish_archive, STAGE_STREAM, "archive-finished" },
        { snapshot_verify, STAGE_VERIFY, "verified" },
        { snapshot_publish, STAGE_PUBLISH, "published" },
        { snapshot_deliver, STAGE_DELIVER, "delivered" },
        { snapshot_prune, STAGE_PRUNE, "pruned" },
        { snapshot_survey, STAGE_DELIVER, "surveyed" },
};

static int run(struct job *job)
{
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                uint64_t begin = now_boottime_usec();
                int r = steps[i].run(job);

                job->result->stage_usec[steps[i].stage] += now_boottime_usec() - begin;
                if (r < 0)
                        return r;
                FAULT_POINT(steps[i].reached);
        }

        job->result->sequence = job->manifest->sequence;
        job->result->manifest = TAKE_PTR(job->manifest);
        return 0;
}

int snapshot_take(const struct snapshot_request *request, struct snapshot_result *ret_result,
                  struct failure *failure)
{
        _cleanup_failure_ own = {};
        _cleanup_(job_clear) struct job job = { .request = request, .result = ret_result };
        int r;

        job.failure = failure ?: &own;
        r = run(&job);
        if (r < 0 && !snapshot_knows_cause(&job))
                (void)failure_set(job.failure, r, "SnapshotFailed", "the snapshot failed: %s", strerror(-r));
        return r;
}
