/* SPDX-License-Identifier: Apache-2.0 */

#include "snapshot-job.h"

#include <string.h>

#include "archive.h"
#include "copies.h"
#include "delivery.h"
#include "log.h"
#include "quantity.h"
#include "resident-memory.h"
#include "target-state.h"
#include "timestamp.h"

#define NAMES_TRIED 3600 /* one for each second */

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

struct destination *snapshot_open_spool(struct job *job)
{
        struct snapshot_result *result = job->result;

        if (job->spooled || any_takes_stream(job) || !has_remote(job))
                return NULL;
        job->spooled = true;
        open_destination(job, &delivery_spool);
        return &result->destinations[result->count - 1];
}

int snapshot_open_targets(struct job *job)
{
        const struct backup_config *config = job->request->config;
        struct snapshot_result *result = job->result;

        result->sequence = job->request->sequence;
        result->destinations = calloc(config->targets.count + 1, sizeof(*result->destinations));
        if (!result->destinations)
                return -ENOMEM;
        for (size_t i = 0; i < config->targets.count; i++)
                open_destination(job, backup_config_target(config, i));
        (void)snapshot_open_spool(job);
        /* Where copies of an earlier node of this name may lie that are not counted here, ours are the later
         * ones all the same. */
        if (result->sequence == 0 && has_remote(job))
                result->sequence = now_realtime_usec() / USEC_PER_SEC;
        return 0;
}

int snapshot_any_target(struct job *job)
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

static bool directory_has(const char *directory, const char *name)
{
        _cleanup_free_ char *archive = copy_path(directory, name, ""),
                            *manifest = copy_path(directory, name, MANIFEST_SUFFIX);

        return !archive || !manifest || access(archive, F_OK) == 0 || access(manifest, F_OK) == 0;
}

/* What is there is known as the last run saw it, and of that the newest copy only. Runs that follow each
 * other within a second have names ahead of the clock, which a time service sets back by seconds, too: no
 * name is free up to that one's. A clock that was far ahead has left its names to days to come. */
static bool remote_may_have(const struct job *job, const char *target, const char *name)
{
        const struct manifest *manifest = job->manifest, *newest;
        _cleanup_target_state_ state = {};

        if (target_state_load(job->request->state_dir, target, &state) < 0 || !state.newest)
                return false;
        newest = state.newest;
        return strcmp(newest->cluster, manifest->cluster) == 0 && strcmp(newest->node, manifest->node) == 0 &&
               newest->started_usec < manifest->started_usec + NAMES_TRIED / 2 * USEC_PER_SEC &&
               strncmp(newest->stored_file, name, (size_t)(strrchr(name, '-') - name)) >= 0;
}

static bool name_is_free(const struct job *job, const char *name)
{
        for (size_t i = 0; i < job->result->count; i++) {
                const struct destination *destination = &job->result->destinations[i];

                if (destination->directory ? directory_has(destination->directory, name)
                                           : remote_may_have(job, destination->target->name, name))
                        return false;
        }
        return true;
}

/* Two runs within one second, or a clock that was set back, would meet in one name: the later gets the next
 * second. */
int snapshot_choose_name(struct job *job)
{
        struct manifest *manifest = job->manifest;

        for (unsigned i = 0; i < NAMES_TRIED; i++) {
                free(manifest->stored_file);
                manifest->stored_file = copy_name(manifest->cluster, manifest->node,
                                                  manifest->started_usec + i * USEC_PER_SEC,
                                                  manifest->revision, snapshot_encrypts(job));
                if (!manifest->stored_file)
                        return -ENOMEM;
                if (name_is_free(job, manifest->stored_file))
                        return 0;
        }
        return -EEXIST;
}

static void on_passed(uint64_t done, uint64_t total, void *userdata)
{
        struct job *job = userdata;

        progress_show(&job->progress, done, total);
}

int snapshot_verify(struct job *job)
{
        const struct age_opener *opener = job->seal ? seal_opener(job->seal) : NULL;
        _cleanup_free_ const char **directories = job->walks_from_disk ? snapshot_list_scratch(job) : NULL;
        const struct interrupt interrupt = { snapshot_stop_asked, job, on_passed };
        struct snapshot_result *result = job->result;

        if (job->walks_from_disk && !directories)
                return -ENOMEM;
        for (size_t i = 0; i < result->count; i++) {
                struct destination *destination = &result->destinations[i];
                _cleanup_facts_ facts = {};
                int r;

                progress_start(&job->progress, "Reading back");
                if (destination_takes_stream(destination))
                        destination_verify(destination, job->manifest, job->stored_crc, opener, directories,
                                           &interrupt, &facts);
                progress_end(&job->progress);
                if (snapshot_stop_asked(job))
                        return snapshot_canceled(job);
                r = facts.walked ? snapshot_take_walk(job, &facts.database) : 0;
                if (r < 0)
                        return r;
        }

        job->manifest->verified_usec = now_realtime_usec();
        return snapshot_any_target(job);
}

int snapshot_publish(struct job *job)
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
        return snapshot_any_target(job);
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

/* What etcd's stream took goes before the connections of uploads come. */
static void release_stream(struct job *job)
{
        job->writer = archive_writer_free(job->writer);
        job->etcd = etcd_client_free(job->etcd);
        resident_memory_release();
}

/* To the targets that are no directories; each fails for itself. */
int snapshot_deliver(struct job *job)
{
        struct delivery delivery;

        job->interrupt = (struct interrupt){ snapshot_stop_asked, job, on_passed };
        if (!describe_delivery(job, &delivery))
                return snapshot_any_target(job);
        release_stream(job);
        for (size_t i = 0; i < job->result->count; i++) {
                if (job->result->destinations[i].directory)
                        continue;
                progress_start(&job->progress, "Uploading");
                destination_deliver(&job->result->destinations[i], &delivery);
                progress_end(&job->progress);
        }
        return 0;
}

/* What they hold after it all; and nothing waits in the spool that has arrived everywhere. */
int snapshot_survey(struct job *job)
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
int snapshot_prune(struct job *job)
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
