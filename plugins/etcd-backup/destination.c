/* SPDX-License-Identifier: Apache-2.0 */

#include "destination.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "copies.h"
#include "fault-point.h"
#include "log.h"
#include "quantity.h"

/* Few dirty pages at a time: a large flush at the end would stand in front of the fsync of etcd's log. */
#define SYNC_WINDOW (UINT64_C(8) << 20)

bool destination_failed(const struct destination *destination)
{
        return destination->failure.reason != NULL;
}

bool destination_takes_stream(const struct destination *destination)
{
        return destination->target->kind == TARGET_DIRECTORY && !destination_failed(destination);
}

static void fail(struct destination *destination, int error, const char *reason, const char *what)
{
        (void)failure_set(&destination->failure, error, reason, "target %s: cannot %s in %s: %s",
                          destination->target->name, what, destination->directory, strerror(-error));
        new_file_discard(&destination->file);
}

/* A file system that counts its inodes may have none left while there is room for bytes. */
static bool lacks_inodes(const char *directory)
{
        struct statvfs st;

        return statvfs(directory, &st) == 0 && st.f_files > 0 && st.f_favail == 0;
}

static uint64_t free_bytes(const char *directory)
{
        struct statvfs st;

        return statvfs(directory, &st) < 0 ? UINT64_MAX : (uint64_t)st.f_bavail * st.f_frsize;
}

static void fail_full(struct destination *destination, uint64_t needed, const char *when)
{
        char need[QUANTITY_SIZE], room[QUANTITY_SIZE];

        if (lacks_inodes(destination->directory))
                (void)failure_set(&destination->failure, -ENOSPC, "DiskFull",
                                  "target %s: %s: the file system of %s has no inode left for one more file; "
                                  "remove files there that nobody needs",
                                  destination->target->name, when, destination->directory);
        else
                (void)failure_set(
                        &destination->failure, -ENOSPC, "DiskFull",
                        "target %s: %s: %s has %s (%llu bytes) free and the copy may need %s (%llu bytes); "
                        "free space there, or lower retention.keepLast",
                        destination->target->name, when, destination->directory,
                        size_format_human(free_bytes(destination->directory), room),
                        (unsigned long long)free_bytes(destination->directory),
                        size_format_human(needed, need), (unsigned long long)needed);
        new_file_discard(&destination->file);
}

static int prepare(struct destination *destination, const char *root, const char *cluster, const char *node,
                   uint64_t *ret_sequence)
{
        struct failure *failure = &destination->failure;
        _cleanup_copies_ copies = {};
        int r;

        r = store_open(destination->target, root, NULL, &destination->store, failure);
        if (r < 0)
                return r;
        r = store_sweep(destination->store, cluster, node, failure);
        if (r < 0)
                return r;
        if (r > 0)
                log_notice("Removed %d unfinished file%s of an earlier run from %s", r, r == 1 ? "" : "s",
                           destination->directory);
        r = store_list(destination->store, cluster, node, &copies, failure);
        if (r < 0)
                return r;

        *ret_sequence = copies.count > 0 ? copies.items[0].manifest->sequence : 0;
        return 0;
}

void destination_open(struct destination *destination, const struct backup_target *target, const char *root,
                      const char *cluster, const char *node, uint64_t *ret_sequence)
{
        int r;

        *destination = (struct destination){ .target = target, .file = NEW_FILE_NONE };
        if (target->kind != TARGET_DIRECTORY)
                return;
        destination->directory = path_under(root, target->path);
        r = destination->directory ? prepare(destination, root, cluster, node, ret_sequence) : -ENOMEM;
        if (r < 0 && !destination_failed(destination))
                fail(destination, r, "TargetNotWritable", "prepare the directory");
}

void destination_close(struct destination *destination)
{
        new_file_discard(&destination->file);
        store_close(destination->store);
        copies_clear(&destination->copies);
        failure_clear(&destination->failure);
        free(destination->directory);
        *destination = (struct destination){ .file = NEW_FILE_NONE };
}

void destination_begin(struct destination *destination, const char *name, uint64_t bytes)
{
        _cleanup_free_ char *path = copy_path(destination->directory, name, "");
        int r;

        if (free_bytes(destination->directory) < bytes) {
                fail_full(destination, bytes, "not enough room");
                return;
        }
        r = path ? new_file_open(path, 0600, &destination->file) : -ENOMEM;
        if (r == -ENOSPC || r == -EDQUOT)
                fail_full(destination, bytes, "no room for a file");
        else if (r < 0)
                fail(destination, r, "TargetNotWritable", "make a file");
}

/* Starts writing back each window when it is full, and waits for the one before it. */
static void sync_window(struct destination *destination, uint64_t before)
{
        uint64_t window = destination->written / SYNC_WINDOW * SYNC_WINDOW;
        int fd = destination->file.fd;

        if (before / SYNC_WINDOW == destination->written / SYNC_WINDOW)
                return;
        (void)sync_file_range(fd, (off_t)(window - SYNC_WINDOW), SYNC_WINDOW, SYNC_FILE_RANGE_WRITE);
        if (window < 2 * SYNC_WINDOW)
                return;
        (void)sync_file_range(fd, (off_t)(window - 2 * SYNC_WINDOW), SYNC_WINDOW,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                      SYNC_FILE_RANGE_WAIT_AFTER);
        (void)posix_fadvise(fd, (off_t)(window - 2 * SYNC_WINDOW), SYNC_WINDOW, POSIX_FADV_DONTNEED);
}

void destination_write(struct destination *destination, const void *data, size_t size)
{
        uint64_t before = destination->written;
        int r;

        r = write_all(destination->file.fd, data, size);
        if (r == -ENOSPC || r == -EDQUOT) {
                fail_full(destination, destination->written + size, "the disk ran full while writing");
                return;
        }
        if (r < 0) {
                fail(destination, r, "WriteFailed", "write");
                return;
        }
        destination->written += size;
        sync_window(destination, before);
}

void destination_verify(struct destination *destination, const struct manifest *manifest, uint32_t crc,
                        const struct age_opener *opener, const char *const *walk_directories,
                        const struct interrupt *interrupt, struct archive_facts *ret_facts)
{
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};
        int r;

        if (fsync(destination->file.fd) < 0) {
                r = -errno;
                if (r == -ENOSPC || r == -EDQUOT)
                        fail_full(destination, destination->written, "the disk ran full while writing");
                else
                        fail(destination, r, "WriteFailed", "write");
                return;
        }

        FAULT_POINT("synced");
        if (walk_directories) {
                r = archive_examine(destination->file.fd, opener, walk_directories, interrupt, &facts,
                                    &failure);
                if (r >= 0)
                        r = archive_facts_match(&facts, manifest, &failure);
        } else {
                r = stored_crc_match(destination->file.fd, manifest->stored_size, crc, interrupt, &failure);
        }
        FAULT_POINT("read-back");
        if (r >= 0) {
                archive_facts_clear(ret_facts);
                *ret_facts = facts;
                facts = (struct archive_facts){};
                return;
        }
        (void)failure_set(&destination->failure, r, r == -ECANCELED ? "Canceled" : "ReadBackFailed",
                          "target %s: what was written to %s does not read back: %s; see dmesg for its disk",
                          destination->target->name, destination->directory, failure.message ?: strerror(-r));
        new_file_discard(&destination->file);
}

static int publish(struct destination *destination, const struct manifest *manifest)
{
        _cleanup_free_ char *text = NULL, *path = NULL, *archive = NULL;
        int r;

        path = copy_path(destination->directory, manifest->stored_file, MANIFEST_SUFFIX);
        archive = copy_path(destination->directory, manifest->stored_file, "");
        if (!path || !archive)
                return -ENOMEM;
        free(destination->file.path); /* its revision may have been an older one */
        destination->file.path = TAKE_PTR(archive);
        r = manifest_format(manifest, true, &text);
        if (r < 0)
                return r;
        r = new_file_publish(&destination->file);
        if (r < 0)
                return r;
        FAULT_POINT("archive-published");
        r = file_write(path, text, strlen(text), 0600);
        FAULT_POINT("manifest-published");
        return r;
}

void destination_publish(struct destination *destination, const struct manifest *manifest)
{
        _cleanup_free_ char *archive = NULL;
        int r;

        r = publish(destination, manifest);
        if (r >= 0)
                return;

        if (r == -ENOSPC || r == -EDQUOT)
                fail_full(destination, MANIFEST_SIZE_MAX, "the disk ran full while writing");
        else
                fail(destination, r, "WriteFailed", "publish the copy");
        /* What has its name but no manifest is no copy; the next run would sweep it, but a full disk may be
         * why. */
        archive = copy_path(destination->directory, manifest->stored_file, "");
        if (archive)
                (void)unlink(archive);
}

unsigned destination_prune(struct destination *destination, const struct prune_request *request)
{
        _cleanup_failure_ found = {};
        _cleanup_prune_plan_ plan = {};
        struct prune_count count = {};
        int r;

        r = prune_decide(request, destination->target, destination->store, &plan, &found);
        if (r >= 0)
                r = prune_carry_out(destination->store, &plan, &count, &found);
        if (count.locked > 0)
                log_info("Target %s: its object lock keeps %u cop%s that retention gave up",
                         destination->target->name, count.locked, count.locked == 1 ? "y" : "ies");
        if (r < 0)
                (void)failure_set(&destination->failure, r, "PruneFailed",
                                  "target %s: the copy is there, but old ones cannot be removed: %s",
                                  destination->target->name, found.message ?: strerror(-r));
        return count.removed;
}
