/* SPDX-License-Identifier: Apache-2.0 */

#include "snapshot-job.h"

#include <inttypes.h>
#include <string.h>

#include "archive.h"
#include "crc32c.h"
#include "fault-point.h"
#include "include.h"

static int on_stored(const void *data, size_t size, void *userdata)
{
        struct job *job = userdata;
        int r;

        r = hasher_add(job->stored, data, size);
        if (r < 0)
                return r;
        job->stored_crc = crc32c(job->stored_crc, data, size);
        job->manifest->stored_size += size;
        for (size_t i = 0; i < job->result->count; i++)
                if (destination_takes_stream(&job->result->destinations[i]))
                        destination_write(&job->result->destinations[i], data, size);
        return snapshot_any_target(job);
}

/* In the state directory, or else beside the copies. What lies there are keys and page numbers, but also the
 * member list and leases, so it is never plain where the copies are encrypted. */
const char **snapshot_list_scratch(const struct job *job)
{
        const struct snapshot_result *result = job->result;
        const char **directories = calloc(result->count + 2, sizeof(*directories));
        size_t n = 0;

        if (!directories)
                return NULL;
        directories[n++] = job->request->state_dir;
        for (size_t i = 0; i < result->count && !snapshot_encrypts(job); i++)
                if (destination_takes_stream(&result->destinations[i]))
                        directories[n++] = result->destinations[i].directory;
        return directories;
}

static int open_reader(struct job *job)
{
        _cleanup_free_ const char **directories = snapshot_list_scratch(job);

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
        spool = snapshot_open_spool(job);
        if (spool && !destination_failed(spool))
                destination_begin(spool, job->manifest->stored_file, job->stream.total);
        r = snapshot_any_target(job);
        if (r < 0)
                return r;
        r = open_reader(job);
        if (r < 0)
                return r;
        if (snapshot_encrypts(job)) {
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
        if (error < 0 && !snapshot_knows_cause(job))
                (void)failure_set(job->failure, error, found->reason, "%s", found->message);
}

int snapshot_receive(struct job *job)
{
        int r;

        progress_start(&job->progress, "Receiving");
        r = etcd_snapshot_start(job->etcd, on_message, on_stream_done, job);
        if (r < 0)
                return r;
        job->streaming = true;
        r = snapshot_wait_while(job, &job->streaming);
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
                return snapshot_canceled(job);
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

int snapshot_take_walk(struct job *job, const struct etcd_database *database)
{
        struct manifest *manifest = job->manifest;
        int r;

        if (etcd_reader_has_no_verdict(&job->result->remark)) /* of the pass before, which this makes good */
                failure_clear(&job->result->remark);
        r = compare(job, database);
        if (r < 0)
                return r;

        manifest->walked = true;
        manifest->revision = database->revision;
        manifest->keys = database->keys;
        manifest->consistent_index = database->consistent_index;
        manifest->hash = database->hash;
        return snapshot_choose_name(job);
}

/* What came was looked at on its way; the rest of the walk is short, and before anything gets a name. */
int snapshot_walk(struct job *job)
{
        const struct interrupt interrupt = { snapshot_stop_asked, job };
        _cleanup_failure_ failure = {};
        struct etcd_database database;
        int r;

        r = etcd_reader_finish(job->reader, &interrupt, &database, &failure);
        job->reader = etcd_reader_free(job->reader);
        if (etcd_reader_has_no_verdict(&failure)) {
                job->walks_from_disk = r == -EOPNOTSUPP;
                return failure_set(&job->result->remark, 0, failure.reason, "%s", failure.message);
        }
        return r < 0 ? walk_failed(job, r, &failure) : snapshot_take_walk(job, &database);
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
                .encrypted = snapshot_encrypts(job),
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

int snapshot_finish_archive(struct job *job)
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
