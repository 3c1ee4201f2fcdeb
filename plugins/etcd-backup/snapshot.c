/* SPDX-License-Identifier: Apache-2.0 */

#include "snapshot.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "archive.h"
#include "copies.h"
#include "delivery.h"
#include "etcd.h"
#include "fault-point.h"
#include "include.h"
#include "log.h"
#include "progress.h"
#include "quantity.h"
#include "seal.h"
#include "snapshot-stream.h"
#include "timestamp.h"

static const int stop_signals[] = { SIGTERM, SIGINT, SIGHUP };

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
        struct hasher *stored;         /* of what is stored, encrypted or not */
        struct authentication_key key; /* none: not authenticated */
        struct etcd_reader *reader;
        bool walks_from_disk; /* one pass did not do */
        struct progress progress;
        struct manifest *manifest;
        struct interrupt interrupt;
        bool spooled; /* the last destination is the spool */
};

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

static bool cause_is_known(const struct job *job)
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
static bool stop_asked(void *userdata)
{
        struct job *job = userdata;
        sigset_t pending;

        sigpending(&pending);
        for (size_t i = 0; i < ELEMENTS(stop_signals); i++)
                job->canceled |= sigismember(&pending, stop_signals[i]) == 1;
        return job->canceled;
}

static int canceled(struct job *job)
{
        return failure_set(job->failure, -ECANCELED, "Canceled",
                           "stopped by a signal before the copy was complete; nothing was kept");
}

static bool has_remote(const struct job *job)
{
        for (size_t i = 0; i < job->result->count; i++)
                if (!job->result->destinations[i].directory)
                        return true;
        return false;
}

static bool any_takes_stream(const struct job *job)
{
        for (size_t i = 0; i < job->result->count; i++)
                if (destination_takes_stream(&job->result->destinations[i]))
                        return true;
        return false;
}

static void open_destination(struct job *job, const struct backup_target *target)
{
        const struct snapshot_request *request = job->request;
        struct snapshot_result *result = job->result;
        uint64_t sequence = 0;

        destination_open(&result->destinations[result->count++], target, request->root,
                         request->config->cluster, request->node, &sequence);
        if (sequence > result->sequence)
                result->sequence = sequence;
}

/* The spool stands in when no directory can take what others are to get. Returns it, or NULL. */
static struct destination *open_spool(struct job *job)
{
        struct snapshot_result *result = job->result;

        if (job->spooled || any_takes_stream(job) || !has_remote(job))
                return NULL;
        job->spooled = true;
        open_destination(job, &delivery_spool);
        return &result->destinations[result->count - 1];
}

static int open_destinations(struct job *job)
{
        const struct backup_config *config = job->request->config;
        struct snapshot_result *result = job->result;

        result->sequence = job->request->sequence;
        result->destinations = calloc(config->targets.count + 1, sizeof(*result->destinations));
        if (!result->destinations)
                return -ENOMEM;
        for (size_t i = 0; i < config->targets.count; i++)
                open_destination(job, backup_config_target(config, i));
        (void)open_spool(job);
        /* Where copies of an earlier node of this name may lie that are not counted here, ours are the later
         * ones all the same. */
        if (result->sequence == 0 && has_remote(job))
                result->sequence = now_realtime_usec() / USEC_PER_SEC;
        return 0;
}

/* 0 while at least one directory can still get its copy, from where the others get theirs; else the first
 * failure becomes the run's. */
static int any_destination(struct job *job)
{
        const struct snapshot_result *result = job->result;
        size_t first = 0;

        if (any_takes_stream(job))
                return 0;
        while (first + 1 < result->count && !destination_failed(&result->destinations[first]))
                first++;
        return failure_set(job->failure, -EIO, result->destinations[first].failure.reason, "%s",
                           result->destinations[first].failure.message);
}

static int load_key(struct job *job)
{
        const char *file = job->request->config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(job->request->root, file) : NULL;

        if (!file)
                return 0;
        return path ? authentication_key_load(path, &job->key, job->failure) : -ENOMEM;
}

static bool encrypts(const struct job *job)
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

        r = open_destinations(job);
        if (r < 0)
                return r;
        r = any_destination(job);
        if (r < 0)
                return r;
        return etcd_client_new(job->event, job->request->root, &job->request->config->etcd, &job->etcd,
                               job->failure);
}

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

/* Runs the loop while *waiting. */
static int wait_while(struct job *job, const bool *waiting)
{
        int r;

        while (*waiting) {
                r = sd_event_run(job->event, UINT64_MAX);
                if (r < 0)
                        return r;
                if (stop_asked(job))
                        return canceled(job);
        }
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
                r = wait_while(job, &job->asking);
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

static int take_status(struct job *job)
{
        struct manifest *manifest = job->manifest;
        const struct etcd_status *status = &job->status;
        int r;

        r = ask_status(job);
        if (r < 0)
                return r;
        r = wait_while(job, &job->asking);
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
        manifest->cluster_id = status->cluster_id;
        manifest->member_id = status->member_id;
        manifest->revision = status->revision;
        manifest->raft_index = status->raft_index;
        manifest->sequence = job->result->sequence + 1;
        manifest->started_usec = now_realtime_usec();
        return 0;
}

/* Without it only this node's copies are pruned, so a failure is none of the run. */
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

static int take_members(struct job *job)
{
        int r;

        r = etcd_members_start(job->etcd, on_members, job);
        if (r < 0)
                return r;
        job->listing = true;
        return wait_while(job, &job->listing);
}

static bool name_is_free(const struct job *job, const char *name)
{
        for (size_t i = 0; i < job->result->count; i++) {
                const char *directory = job->result->destinations[i].directory;
                _cleanup_free_ char *archive = directory ? copy_path(directory, name, "") : NULL;
                _cleanup_free_ char *manifest =
                        directory ? copy_path(directory, name, MANIFEST_SUFFIX) : NULL;

                if (!directory)
                        continue;
                if (!archive || !manifest || access(archive, F_OK) == 0 || access(manifest, F_OK) == 0)
                        return false;
        }
        return true;
}

/* Two runs within one second, or a clock that was set back, would meet in one name: the later gets the next
 * second. */
static int choose_name(struct job *job)
{
        struct manifest *manifest = job->manifest;

        for (unsigned i = 0; i < 3600; i++) {
                free(manifest->stored_file);
                manifest->stored_file = copy_name(manifest->cluster, manifest->node,
                                                  manifest->started_usec + i * USEC_PER_SEC,
                                                  manifest->revision, encrypts(job));
                if (!manifest->stored_file)
                        return -ENOMEM;
                if (name_is_free(job, manifest->stored_file))
                        return 0;
        }
        return -EEXIST;
}

static int on_stored(const void *data, size_t size, void *userdata)
{
        struct job *job = userdata;
        int r;

        r = hasher_add(job->stored, data, size);
        if (r < 0)
                return r;
        job->manifest->stored_size += size;
        for (size_t i = 0; i < job->result->count; i++)
                if (destination_takes_stream(&job->result->destinations[i]))
                        destination_write(&job->result->destinations[i], data, size);
        return any_destination(job);
}

/* In the state directory, or else beside the copies. What lies there are keys and page numbers, but also the
 * member list and leases, so it is never plain where the copies are encrypted. */
static const char **list_scratch_directories(const struct job *job)
{
        const struct snapshot_result *result = job->result;
        const char **directories = calloc(result->count + 2, sizeof(*directories));
        size_t n = 0;

        if (!directories)
                return NULL;
        directories[n++] = job->request->state_dir;
        for (size_t i = 0; i < result->count && !encrypts(job); i++)
                if (destination_takes_stream(&result->destinations[i]))
                        directories[n++] = result->destinations[i].directory;
        return directories;
}

static int open_reader(struct job *job)
{
        _cleanup_free_ const char **directories = list_scratch_directories(job);

        return directories ? etcd_reader_new(job->stream.total, directories, &job->reader) : -ENOMEM;
}

/* The first message has told the size. */
static int begin_archive(struct job *job)
{
        struct destination *spool;
        int r;

        for (size_t i = 0; i < job->result->count; i++)
                if (destination_takes_stream(&job->result->destinations[i]))
                        destination_begin(&job->result->destinations[i], job->manifest->stored_file,
                                          job->stream.total);
        spool = open_spool(job);
        if (spool && !destination_failed(spool))
                destination_begin(spool, job->manifest->stored_file, job->stream.total);
        r = any_destination(job);
        if (r < 0)
                return r;
        r = open_reader(job);
        if (r < 0)
                return r;
        if (encrypts(job)) {
                r = seal_new(&job->request->config->encryption.recipients, on_stored, job, &job->seal);
                if (r < 0)
                        return r;
        }
        r = archive_writer_new(job->seal ? seal_add : on_stored, job->seal ?: (void *)job, &job->writer);
        if (r < 0)
                return r;
        return archive_begin(job->writer, SNAPSHOT_MEMBER, job->stream.total + SHA256_SIZE,
                             job->manifest->started_usec);
}

static int on_message(const uint8_t *bytes, size_t size, void *userdata)
{
        struct job *job = userdata;
        struct snapshot_message message;
        int r;

        r = snapshot_stream_take(&job->stream, bytes, size, &message, job->failure);
        if (r < 0)
                return r;
        if (!job->writer) {
                FAULT_POINT("first-message");
                r = begin_archive(job);
                if (r < 0)
                        return r;
                FAULT_POINT("archive-begun");
        }
        if (!job->stream.proven) /* the last message is the hash */
                etcd_reader_add(job->reader, message.blob, message.blob_size);
        progress_show(&job->progress, job->stream.received, job->stream.total);
        return archive_add(job->writer, message.blob, message.blob_size);
}

static void on_stream_done(int error, bool confirmed, struct failure *found, void *userdata)
{
        struct job *job = userdata;

        job->streaming = false;
        job->stream_error = error;
        job->result->confirmed = confirmed;
        if (error < 0 && !cause_is_known(job))
                (void)failure_set(job->failure, error, found->reason, "%s", found->message);
}

static int receive(struct job *job)
{
        int r;

        progress_start(&job->progress, "Receiving");
        r = etcd_snapshot_start(job->etcd, on_message, on_stream_done, job);
        if (r < 0)
                return r;
        job->streaming = true;
        r = wait_while(job, &job->streaming);
        progress_end(&job->progress);
        if (r < 0)
                return r;
        if (job->stream_error < 0)
                return job->stream_error;

        r = snapshot_stream_finish(&job->stream, job->manifest->raw_sha256, job->failure);
        if (r < 0)
                return r;
        moment_now(&job->manifest->finished);
        return 0;
}

static int walk_failed(struct job *job, int error, const struct failure *found)
{
        const char *words = found->message ?: strerror(-error);

        if (error == -ECANCELED)
                return canceled(job);
        if (error != -EBADMSG)
                return failure_set(job->failure, error, found->reason ?: "WalkFailed",
                                   "cannot walk through what etcd sent: %s", words);
        return failure_set(
                job->failure, error, found->reason,
                "what etcd sent came whole, but is no backup: %s; nothing was kept. If the next run "
                "says the same, this member's own file is damaged: replace the member while the "
                "others are healthy, or restore an earlier copy",
                words);
}

/* What the database says of itself, against what etcd said of it. */
static int compare(struct job *job, const struct etcd_database *database)
{
        const struct manifest *manifest = job->manifest;

        if (database->revision < manifest->revision)
                return failure_set(job->failure, -EBADMSG, "DatabaseBehind",
                                   "etcd was at revision %" PRId64
                                   " before it sent the snapshot, whose database is at %" PRId64
                                   "; nothing was kept, the next run tries again",
                                   manifest->revision, database->revision);
        /* It restores all the same, for a restore makes a new list. */
        if (!etcd_database_knows(database, manifest->member_id))
                (void)failure_set(&job->result->remark, 0, "MemberNotInDatabase",
                                  "the member list in the database lacks this member, %016" PRIx64,
                                  manifest->member_id);
        return 0;
}

/* What came was looked at on its way; the rest of the walk is short, and before anything gets a name. */
static int walk(struct job *job)
{
        const struct interrupt interrupt = { stop_asked, job };
        struct manifest *manifest = job->manifest;
        _cleanup_failure_ failure = {};
        struct etcd_database database;
        int r;

        r = etcd_reader_finish(job->reader, &interrupt, &database, &failure);
        job->reader = etcd_reader_free(job->reader);
        if (etcd_reader_has_no_verdict(&failure)) {
                job->walks_from_disk = r == -EOPNOTSUPP;
                return failure_set(&job->result->remark, 0, failure.reason, "%s", failure.message);
        }
        if (r < 0)
                return walk_failed(job, r, &failure);
        r = compare(job, &database);
        if (r < 0)
                return r;

        manifest->walked = true;
        manifest->revision = database.revision;
        manifest->keys = database.keys;
        manifest->consistent_index = database.consistent_index;
        manifest->hash = database.hash;
        return choose_name(job);
}

static int on_included(const struct included_file *file, const void *data, uint64_t modified_usec,
                       void *userdata)
{
        struct job *job = userdata;
        int r;

        r = archive_begin_with_mode(job->writer, file->name, file->mode, file->size, modified_usec);
        if (r >= 0)
                r = archive_add(job->writer, data, file->size);
        return r < 0 ? r : included_add(&job->manifest->included, file);
}

/* Behind the database. What cannot be taken along is said, and costs nobody the backup. */
static int include_files(struct job *job)
{
        const struct include_request request = {
                .root = job->request->root,
                .names = &job->request->config->include,
                .encrypted = encrypts(job),
                .etcd_version = job->manifest->etcd_version,
        };
        struct include_result result = {};
        int r;

        r = include_collect(&request, on_included, job, &result);
        job->manifest->included.withheld = result.withheld;
        if (result.left_out > 0 && !job->result->remark.reason)
                (void)failure_set(&job->result->remark, 0, result.first.reason, "%s%s", result.first.message,
                                  result.left_out > 1 ? "; nor are other files" : "");
        failure_clear(&result.first);
        return r;
}

static int finish_archive(struct job *job)
{
        struct manifest *manifest = job->manifest;
        _cleanup_free_ char *text = NULL;
        int r;

        manifest->db_size = job->stream.total;
        manifest->raw_size = job->stream.total + SHA256_SIZE;
        r = include_files(job);
        if (r < 0)
                return r;
        r = manifest_format(manifest, false, &text);
        if (r < 0)
                return r;
        r = archive_begin(job->writer, MANIFEST_MEMBER, strlen(text), manifest->finished.realtime_usec);
        if (r < 0)
                return r;
        r = archive_add(job->writer, text, strlen(text));
        if (r < 0)
                return r;
        r = archive_finish(job->writer);
        if (r >= 0 && job->seal)
                r = seal_finish(job->seal);
        if (r >= 0 && job->seal)
                r = manifest_seal_recipients(&manifest->seal, &job->request->config->encryption.recipients);
        return r < 0 ? r : hasher_finish(job->stored, manifest->stored_sha256);
}

static void on_passed(uint64_t done, uint64_t total, void *userdata)
{
        struct job *job = userdata;

        progress_show(&job->progress, done, total);
}

static int verify(struct job *job)
{
        const struct age_opener *opener = job->seal ? seal_opener(job->seal) : NULL;
        _cleanup_free_ const char **directories = job->walks_from_disk ? list_scratch_directories(job) : NULL;
        const struct interrupt interrupt = { stop_asked, job, on_passed };
        struct snapshot_result *result = job->result;

        if (job->walks_from_disk && !directories)
                return -ENOMEM;
        for (size_t i = 0; i < result->count; i++) {
                struct destination *destination = &result->destinations[i];

                progress_start(&job->progress, "Reading back");
                if (destination_takes_stream(destination))
                        destination_verify(destination, job->manifest, opener, directories, &interrupt);
                progress_end(&job->progress);
                if (stop_asked(job))
                        return canceled(job);
        }

        job->manifest->verified_usec = now_realtime_usec();
        return any_destination(job);
}

static int publish(struct job *job)
{
        struct snapshot_result *result = job->result;
        int r;

        if (job->key.data) {
                r = manifest_authenticate(job->manifest, &job->key);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < result->count; i++)
                if (destination_takes_stream(&result->destinations[i]))
                        destination_publish(&result->destinations[i], job->manifest);
        return any_destination(job);
}

/* From the first directory that has the copy. */
static bool describe_delivery(struct job *job, struct delivery *ret)
{
        *ret = (struct delivery){ .root = job->request->root,
                                  .cluster = job->manifest->cluster,
                                  .node = job->manifest->node,
                                  .newest = job->manifest,
                                  .interrupt = &job->interrupt };
        for (size_t i = 0; i < job->result->count && !ret->source; i++)
                if (destination_takes_stream(&job->result->destinations[i]))
                        ret->source = job->result->destinations[i].directory;
        return ret->source != NULL;
}

/* To the targets that are no directories; each fails for itself. */
static int deliver(struct job *job)
{
        struct delivery delivery;

        job->interrupt = (struct interrupt){ stop_asked, job };
        if (!describe_delivery(job, &delivery))
                return any_destination(job);
        for (size_t i = 0; i < job->result->count; i++)
                if (!job->result->destinations[i].directory)
                        destination_deliver(&job->result->destinations[i], &delivery);
        return 0;
}

/* What they hold after it all; and nothing waits in the spool that has arrived everywhere. */
static int survey(struct job *job)
{
        bool arrived = true;
        struct delivery delivery;
        int r;

        if (!describe_delivery(job, &delivery))
                return 0;
        for (size_t i = 0; i < job->result->count; i++) {
                struct destination *destination = &job->result->destinations[i];

                if (destination->directory)
                        continue;
                destination_survey(destination, &delivery);
                arrived &= destination->delivered;
        }
        r = delivery_clear_spool(job->request->root, job->manifest->cluster, job->manifest->node,
                                 arrived || !job->spooled ? NULL : job->manifest);
        if (r < 0)
                log_error(r, "Cannot remove old copies from the spool");
        return 0;
}

/* Only where a newer verified copy stands now. */
static int prune(struct job *job)
{
        struct snapshot_result *result = job->result;
        struct prune_request request = {
                .config = job->request->config,
                .root = job->request->root,
                .node = job->request->node,
                .key = &job->key,
                .cluster_id = job->manifest->cluster_id,
                .members = result->members.count > 0 ? &result->members : NULL,
                .held = result->held,
        };

        prune_look_at_clock(job->request->root, job->request->state_dir, &request.present);

        for (size_t i = 0; i < result->count; i++)
                if (!destination_failed(&result->destinations[i]) &&
                    result->destinations[i].target != &delivery_spool)
                        result->pruned += destination_prune(&result->destinations[i], &request);
        return 0;
}

/* In their order, each with what its time counts as, and what is reached then (fault-point.h). */
static const struct step {
        int (*run)(struct job *job);
        enum run_stage stage;
        const char *reached;
} steps[] = {
        { job_open, STAGE_ASK, "opened" },
        { take_status, STAGE_ASK, "source-checked" },
        { take_members, STAGE_ASK, "members-listed" },
        { choose_name, STAGE_ASK, "named" },
        { receive, STAGE_STREAM, "received" },
        { walk, STAGE_WALK, "walked" },
        { finish_archive, STAGE_STREAM, "archive-finished" },
        { verify, STAGE_VERIFY, "verified" },
        { publish, STAGE_PUBLISH, "published" },
        { deliver, STAGE_DELIVER, "delivered" },
        { prune, STAGE_PRUNE, "pruned" },
        { survey, STAGE_DELIVER, "surveyed" },
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
        if (r < 0 && !cause_is_known(&job))
                (void)failure_set(job.failure, r, "SnapshotFailed", "the snapshot failed: %s", strerror(-r));
        return r;
}
