/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <string.h>

#include "files.h"
#include "store-kind.h"
#include "verify.h"

#define PIECE_SIZE (256 * 1024)

static const char *directory_of(const struct store *store)
{
        return store->place;
}

static int fail(const struct store *store, int error, const char *reason, const char *what,
                struct failure *failure)
{
        return failure_set(failure, error, reason, "target %s: cannot %s in %s: %s", store->target->name,
                           what, directory_of(store), strerror(-error));
}

static int directory_open(struct store *store, struct failure *failure)
{
        int r;

        store->place = path_under(store->root, store->target->path);
        if (!store->place)
                return -ENOMEM;
        r = directory_make(directory_of(store), 0700);
        return r < 0 ? fail(store, r, "TargetNotWritable", "prepare the directory", failure) : 0;
}

static void directory_close(struct store *store)
{
        free(store->place);
}

static int directory_list(struct store *store, const char *cluster, const char *node, struct copies *ret,
                          struct failure *failure)
{
        int r;

        r = copies_load(directory_of(store), cluster, node, ret);
        return r < 0 ? fail(store, r, "TargetUnreadable", "list the copies", failure) : 0;
}

static int directory_fetch(struct store *store, const struct copy *copy, const char *scratch_dir, int *ret_fd,
                           struct failure *failure)
{
        _cleanup_free_ char *path = copy_path(directory_of(store), copy->manifest->stored_file, "");
        int fd;

        (void)scratch_dir;
        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return failure_set(failure, -errno, "CopyUnreadable", "cannot open %s: %s", path,
                                   strerror(errno));
        *ret_fd = fd;
        return 0;
}

static int copy_bytes(int from, int to, const struct interrupt *interrupt)
{
        _cleanup_free_ uint8_t *piece = malloc(PIECE_SIZE);
        off_t at = 0;
        ssize_t n;
        int r;

        if (!piece)
                return -ENOMEM;
        while ((n = pread(from, piece, PIECE_SIZE, at)) > 0) {
                r = interrupted(interrupt) ? -ECANCELED : write_all(to, piece, (size_t)n);
                if (r < 0)
                        return r;
                at += n;
        }
        return n < 0 ? -errno : 0;
}

/* Also after a crash between the archive and its manifest: then only an orphan is there, which goes. */
static int put_files(struct store *store, int archive_fd, const struct manifest *manifest,
                     const char *archive_path, const char *manifest_path, struct failure *failure)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        _cleanup_free_ char *text = NULL;
        int r;

        r = manifest_format(manifest, true, &text);
        if (r < 0)
                return r;
        r = new_file_open(archive_path, 0600, &file);
        if (r < 0)
                return r;
        r = copy_bytes(archive_fd, file.fd, store->interrupt);
        if (r < 0)
                return r;
        r = stored_bytes_match(file.fd, manifest, store->interrupt, failure);
        if (r < 0)
                return r;
        r = new_file_publish(&file);
        if (r < 0)
                return r;
        r = file_write(manifest_path, text, strlen(text), 0600);
        if (r < 0)
                (void)unlink(archive_path);
        return r;
}

/* Whether the manifest that stands there is this copy's. */
static int compare_manifest(const char *path, const struct manifest *manifest, struct failure *failure)
{
        _cleanup_(manifest_freep) struct manifest *found = NULL;
        int r;

        r = manifest_load(path, &found, NULL);
        if (r == -ENOENT || r == -ENOMEM)
                return r;
        if (r < 0 || memcmp(found->stored_sha256, manifest->stored_sha256, SHA256_SIZE) != 0)
                return failure_set(failure, -EEXIST, "NameTaken",
                                   "%s is there already and belongs to another copy", path);
        return 0;
}

static int directory_put(struct store *store, int archive_fd, const struct manifest *manifest,
                         struct failure *failure)
{
        _cleanup_free_ char *archive = copy_path(directory_of(store), manifest->stored_file, ""),
                            *beside = copy_path(directory_of(store), manifest->stored_file, MANIFEST_SUFFIX);
        _cleanup_failure_ found = {};
        int r;

        if (!archive || !beside)
                return -ENOMEM;
        r = compare_manifest(beside, manifest, failure);
        if (r != -ENOENT)
                return r;
        r = put_files(store, archive_fd, manifest, archive, beside, &found);
        if (r < 0 && found.reason)
                return failure_set(failure, r, found.reason, "target %s: %s", store->target->name,
                                   found.message);
        if (r == -ENOSPC || r == -EDQUOT)
                return fail(store, r, "DiskFull", "write", failure);
        return r < 0 ? fail(store, r, r == -ECANCELED ? "Canceled" : "WriteFailed", "write", failure) : 0;
}

static int directory_remove(struct store *store, const struct copy *copy, struct failure *failure)
{
        int r;

        r = copy_remove(directory_of(store), copy);
        return r < 0 ? fail(store, r, "PruneFailed", "remove old copies", failure) : 0;
}

static int directory_sweep(struct store *store, const char *cluster, const char *node,
                           struct failure *failure)
{
        int r;

        r = copies_sweep(directory_of(store), cluster, node);
        return r < 0 ? fail(store, r, "TargetNotWritable", "remove what earlier runs left", failure) : r;
}

const struct store_kind store_directory = {
        .open = directory_open,
        .close = directory_close,
        .list = directory_list,
        .fetch = directory_fetch,
        .put = directory_put,
        .remove = directory_remove,
        .sweep = directory_sweep,
};
