/* SPDX-License-Identifier: Apache-2.0 */

#include "delivery.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "files.h"
#include "log.h"
#include "target-state.h"

/* Older ones that a target gets in one run beside the new one. What it missed before those stays missed: a
 * retention would soon have thinned them out. */
#define MISSED_MAX 4

const struct backup_target delivery_spool = {
        .name = (char *)"spool",
        .kind = TARGET_DIRECTORY,
        .path = (char *)BACKUP_STATE_DIR "/spool",
};

/* Puts one copy from the source directory. */
static int put(struct destination *destination, const struct delivery *delivery,
               const struct manifest *manifest)
{
        _cleanup_free_ char *path = copy_path(delivery->source, manifest->stored_file, "");
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -ENOMEM;
        int r;

        if (!path)
                return -ENOMEM;
        if (fd < 0) {
                r = -errno;
                return failure_set(&destination->failure, r, "CopyUnreadable",
                                   "target %s: cannot open %s: %s", destination->target->name, path,
                                   strerror(-r));
        }
        return store_put(destination->store, fd, manifest, &destination->failure);
}

/* The highest sequence number there before this run; 0: none. */
static int last_delivered(struct destination *destination, const struct delivery *delivery, uint64_t *ret)
{
        _cleanup_copies_ copies = {};
        const struct copy *newest;
        int r;

        r = store_list(destination->store, delivery->cluster, delivery->node, &copies, &destination->failure);
        if (r < 0)
                return r;
        newest = copies_newest(&copies);
        *ret = newest ? newest->manifest->sequence : 0;
        return 0;
}

/* Copies from before they were encrypted stay on the node. */
static bool may_leave(const struct backup_target *target, const struct manifest *manifest)
{
        return target->kind != TARGET_S3 || target->allow_plaintext ||
               copy_is_encrypted(manifest->stored_file);
}

/* Newest first, as they are listed. */
static int put_missed(struct destination *destination, const struct delivery *delivery, uint64_t last)
{
        _cleanup_copies_ copies = {};
        unsigned put_count = 0;
        int r;

        r = copies_load(delivery->source, delivery->cluster, delivery->node, &copies);
        for (size_t i = 0; i < copies.count && r >= 0 && put_count < MISSED_MAX; i++) {
                const struct manifest *manifest = copies.items[i].manifest;

                if (!copies.items[i].whole || manifest->sequence <= last ||
                    manifest->sequence >= delivery->newest->sequence ||
                    !may_leave(destination->target, manifest))
                        continue;
                r = put(destination, delivery, manifest);
                put_count += r >= 0;
        }
        if (put_count > 0)
                log_notice("Target %s got %u cop%s that it had missed", destination->target->name, put_count,
                           put_count == 1 ? "y" : "ies");
        return r;
}

static int deliver(struct destination *destination, const struct delivery *delivery)
{
        struct failure *failure = &destination->failure;
        _cleanup_failure_ unswept = {};
        uint64_t last = 0;
        int swept, r;

        r = store_open(destination->target, delivery->root, delivery->interrupt, &destination->store,
                       failure);
        if (r < 0)
                return r;
        r = last_delivered(destination, delivery, &last);
        if (r < 0)
                return r;
        swept = store_sweep(destination->store, delivery->cluster, delivery->node, &unswept);
        if (swept > 0)
                log_notice("Removed %d unfinished upload%s of earlier runs from target %s", swept,
                           swept == 1 ? "" : "s", destination->target->name);
        r = put(destination, delivery, delivery->newest);
        destination->delivered = r >= 0;
        if (r >= 0)
                r = put_missed(destination, delivery, last);
        /* Keys that may only add keep no copy from getting there; but somebody should know. */
        return r < 0 || swept >= 0 ? r
                                   : failure_set(failure, swept, unswept.reason ?: "TargetFailing", "%s",
                                                 unswept.message ?: strerror(-swept));
}

void destination_deliver(struct destination *destination, const struct delivery *delivery)
{
        const char *remark;
        int r;

        destination->attempted = true;
        r = deliver(destination, delivery);
        if (r < 0 && !destination_failed(destination))
                (void)failure_set(&destination->failure, r, "TargetFailing",
                                  "target %s: cannot store the copy: %s", destination->target->name,
                                  strerror(-r));
        remark = destination->store ? store_remark(destination->store) : NULL;
        if (remark)
                log_message(LOG_WARNING, MESSAGE_CLOCK_SKEWED, "%s", remark);
        /* A clock that is wrong is likely the cause of what failed. */
        if (remark && r < 0)
                failure_prefix(&destination->failure, "%s", remark);
}

void destination_survey(struct destination *destination, const struct delivery *delivery)
{
        struct copies copies;

        if (!destination->delivered ||
            store_list(destination->store, delivery->cluster, delivery->node, &copies, NULL) < 0)
                return;
        copies_clear(&destination->copies);
        destination->copies = copies;
        destination->surveyed = true;
}

int destination_record(const struct destination *destination, const char *state_dir)
{
        const struct copy *newest = copies_newest(&destination->copies);
        const char *name = destination->target->name;
        struct manifest *before = NULL;
        _cleanup_target_state_ state = {};
        int r;

        if (!destination->attempted)
                return 0;
        (void)target_state_load(state_dir, name, &state); /* an unreadable one is replaced */
        failure_clear(&state.failure);
        if (destination_failed(destination))
                (void)failure_set(&state.failure, 0, destination->failure.reason, "%s",
                                  destination->failure.message);
        if (destination->surveyed) {
                before = state.newest;
                state.newest = newest ? newest->manifest : NULL; /* lent */
                state.copies = 0;
                for (size_t i = 0; i < destination->copies.count; i++)
                        state.copies += destination->copies.items[i].whole;
        }
        r = target_state_save(state_dir, name, &state);
        if (destination->surveyed)
                state.newest = before;
        return r;
}

int delivery_clear_spool(const char *root, const char *cluster, const char *node, const struct manifest *keep)
{
        _cleanup_free_ char *directory = path_under(root, delivery_spool.path);
        _cleanup_copies_ copies = {};
        int r;

        if (!directory)
                return -ENOMEM;
        r = copies_load(directory, cluster, node, &copies);
        for (size_t i = 0; i < copies.count && r >= 0; i++)
                if (!keep || strcmp(copies.items[i].manifest->stored_file, keep->stored_file) != 0)
                        r = copy_remove(directory, &copies.items[i]);
        return r;
}
