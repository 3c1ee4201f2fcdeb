/* SPDX-License-Identifier: Apache-2.0 */

#include "copy-source.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "files.h"
#include "progress.h"
#include "store.h"

#define READ_SIZE (256 * 1024)

void copy_source_clear(struct copy_source *source)
{
        closep(&source->fd);
        free(source->description);
        free(source->name);
        free(source->target);
        manifest_free(source->manifest);
        *source = (struct copy_source)COPY_SOURCE_NONE;
}

/* ---- finding ---- */

static int open_file(const char *path, const char *name, struct copy_source *ret, struct failure *failure)
{
        _cleanup_copy_source_ source = COPY_SOURCE_NONE;
        _cleanup_free_ char *manifest = NULL;
        int r;

        if (asprintf(&manifest, "%s" MANIFEST_SUFFIX, path) < 0) {
                manifest = NULL;
                return -ENOMEM;
        }
        source.fd = open(path, O_RDONLY | O_CLOEXEC);
        if (source.fd < 0) {
                r = -errno;
                return failure_set(failure, r, "CopyUnreadable", "cannot open %s: %s", path, strerror(-r));
        }
        r = manifest_load(manifest, &source.manifest, failure);
        if (r == -ENOENT)
                return failure_set(failure, r, "ManifestMissing",
                                   "there is no %s: bring the copy's manifest along with it", manifest);
        if (r < 0)
                return r;
        source.description = strdup(path);
        source.name = strdup(name);
        if (!source.description || !source.name)
                return -ENOMEM;
        *ret = source;
        source = (struct copy_source)COPY_SOURCE_NONE;
        return 0;
}

/* Newest of several nodes' copies: sequence numbers are each node's own, so the time it is. */
static const struct copy *newest_of_all(const struct copies *copies)
{
        const struct copy *newest = NULL;

        for (size_t i = 0; i < copies->count; i++)
                if (copies->items[i].whole && (!newest || copies->items[i].manifest->finished.realtime_usec >
                                                                  newest->manifest->finished.realtime_usec))
                        newest = &copies->items[i];
        return newest;
}

static const struct copy *choose(const struct copies *copies, const char *what)
{
        if (strcmp(what, "newest") == 0)
                return newest_of_all(copies);
        for (size_t i = 0; i < copies->count; i++)
                if (strcmp(copies->items[i].manifest->stored_file, what) == 0)
                        return &copies->items[i];
        return NULL;
}

static int in_directory(const char *directory, const char *cluster, struct copy_source *ret,
                        struct failure *failure)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_copies_ copies = {};
        const struct copy *copy;
        int r;

        r = copies_load(directory, cluster, NULL, &copies);
        if (r < 0)
                return failure_set(failure, r, "CopyUnreadable", "cannot list %s: %s", directory,
                                   strerror(-r));
        copy = newest_of_all(&copies);
        if (!copy)
                return failure_set(failure, -ENOENT, "NoSuchCopy", "%s holds no whole copy of cluster %s",
                                   directory, cluster);
        path = copy_path(directory, copy->manifest->stored_file, "");
        return path ? open_file(path, copy->manifest->stored_file, ret, failure) : -ENOMEM;
}

static int of_file(const struct backup_config *config, const char *what, struct copy_source *ret,
                   struct failure *failure)
{
        struct stat st;

        if (stat(what, &st) >= 0 && S_ISDIR(st.st_mode))
                return in_directory(what, config->cluster, ret, failure);
        return open_file(what, strrchr(what, '/') + 1, ret, failure);
}

/* Takes the manifest out of the list. */
static int fetch(struct store *store, struct copies *copies, const struct copy *copy, const char *state_dir,
                 struct progress *progress, struct copy_source *ret, struct failure *failure)
{
        struct copy *chosen = &copies->items[copy - copies->items];
        _cleanup_copy_source_ source = COPY_SOURCE_NONE;
        int r;

        progress_start(progress, "Fetching");
        r = store_fetch(store, copy, state_dir, &source.fd, failure);
        progress_end(progress);
        if (r < 0)
                return r;
        source.name = strdup(chosen->manifest->stored_file);
        source.target = strdup(store_name(store));
        if (!source.name || !source.target ||
            asprintf(&source.description, "%s at %s", source.name, source.target) < 0) {
                source.description = NULL;
                return -ENOMEM;
        }
        source.manifest = TAKE_PTR(chosen->manifest);
        chosen->manifest = calloc(1, sizeof(*chosen->manifest)); /* what the list's end frees */
        *ret = source;
        source = (struct copy_source)COPY_SOURCE_NONE;
        return 0;
}

/* -ENOENT: not at this target. */
static int at_target(const struct backup_target *target, const struct backup_config *config, const char *root,
                     const char *state_dir, const char *what, const char *node, struct copy_source *ret,
                     struct failure *failure)
{
        struct progress progress = {};
        const struct interrupt interrupt = progress_interrupt(&progress);
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_copies_ copies = {};
        const struct copy *copy;
        int r;

        r = store_open(target, root, &interrupt, &store, failure);
        if (r >= 0)
                r = store_list(store, config->cluster, strcmp(what, "newest") == 0 ? node : NULL, &copies,
                               failure);
        if (r < 0)
                return r;
        copy = choose(&copies, what);
        return copy ? fetch(store, &copies, copy, state_dir, &progress, ret, failure) : -ENOENT;
}

int copy_source_find(const struct backup_config *config, const char *root, const char *state_dir,
                     const char *what, const char *target, const char *node, struct copy_source *ret,
                     struct failure *failure)
{
        bool known = false;

        if (strchr(what, '/'))
                return of_file(config, what, ret, failure);
        for (size_t i = 0; i < config->targets.count; i++) {
                const struct backup_target *candidate = backup_config_target(config, i);
                int r;

                if (target && strcmp(target, candidate->name) != 0)
                        continue;
                known = true;
                r = at_target(candidate, config, root, state_dir, what, node, ret, failure);
                /* A target that does not answer does not hide what another has. */
                if (r >= 0 || (r != -ENOENT && target))
                        return r;
        }
        if (!known)
                return failure_set(failure, -ENOENT, "NoSuchTarget", "no target is named %s",
                                   target ?: "anything");
        if (failure && failure->reason)
                return -EIO;
        return failure_set(failure, -ENOENT, "NoSuchCopy",
                           "no target has %s%s of cluster %s; see: capi-node etcd-backup list",
                           strcmp(what, "newest") == 0 ? "a whole copy" : "the copy ",
                           strcmp(what, "newest") == 0 ? "" : what, config->cluster);
}

/* ---- proving ---- */

static int examine(const struct copy_source *source, const struct proof_means *means,
                   const char *const *scratch_directories, struct archive_facts *facts,
                   struct failure *failure)
{
        const struct age_opener opener = { .identities = &means->identities };
        bool encrypted = copy_is_encrypted(source->name);
        struct progress progress = {};
        const struct interrupt interrupt = progress_interrupt(&progress);
        int r;

        if (means->key.data) {
                r = manifest_prove_authentic(source->manifest, &means->key, failure);
                if (r < 0)
                        return r;
        }
        progress_start(&progress, "Verifying");
        r = archive_examine(source->fd, encrypted ? &opener : NULL, scratch_directories, &interrupt, facts,
                            failure);
        progress_end(&progress);
        return r < 0 ? r : archive_facts_match(facts, source->manifest, failure);
}

int copy_source_prove(const struct copy_source *source, const struct proof_means *means,
                      struct etcd_database *ret, struct failure *failure)
{
        const char *const directories[] = { means->scratch_dir, NULL };
        _cleanup_facts_ facts = {};
        int r;

        r = examine(source, means, directories, &facts, failure);
        if (r < 0)
                return r;
        if (!facts.walked)
                return failure_set(failure, -ENOSPC, facts.unwalked.reason, "%s", facts.unwalked.message);
        *ret = facts.database;
        return 0;
}

/* ---- taking out ---- */

struct extraction {
        int fd;
        bool inside; /* snapshot.db */
        struct archive_reader *reader;
        struct age_decryptor *decryptor;
        struct progress progress;
        uint64_t size; /* of the archive */
        struct failure *failure;
};

static int on_begin(const char *name, uint64_t size, void *userdata)
{
        struct extraction *extraction = userdata;

        (void)size;
        extraction->inside = strcmp(name, SNAPSHOT_MEMBER) == 0;
        return 0;
}

static int on_data(const void *data, size_t size, void *userdata)
{
        struct extraction *extraction = userdata;

        return extraction->inside ? write_all(extraction->fd, data, size) : 0;
}

static int on_end(void *userdata)
{
        (void)userdata;
        return 0;
}

static int on_plain(const void *data, size_t size, void *userdata)
{
        struct extraction *extraction = userdata;

        return archive_feed(extraction->reader, data, size, extraction->failure);
}

static void extraction_clear(struct extraction *extraction)
{
        archive_reader_free(extraction->reader);
        age_decryptor_free(extraction->decryptor);
}

static int read_through(int fd, struct extraction *extraction)
{
        _cleanup_free_ uint8_t *buffer = malloc(READ_SIZE);
        off_t at = 0;
        ssize_t n;
        int r;

        if (!buffer)
                return -ENOMEM;
        while ((n = pread(fd, buffer, READ_SIZE, at)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                r = extraction->decryptor ? age_decryptor_feed(extraction->decryptor, buffer, (size_t)n,
                                                               extraction->failure)
                                          : on_plain(buffer, (size_t)n, extraction);
                if (r < 0)
                        return r;
                at += n;
                progress_show(&extraction->progress, (uint64_t)at, extraction->size);
        }
        if (extraction->decryptor) {
                r = age_decryptor_finish(extraction->decryptor, extraction->failure);
                if (r < 0)
                        return r;
        }
        return archive_reader_finish(extraction->reader, extraction->failure);
}

static int write_snapshot(const struct copy_source *source, const struct proof_means *means, int fd,
                          struct failure *failure)
{
        const struct age_opener opener = { .identities = &means->identities };
        _cleanup_(extraction_clear) struct extraction extraction = { .fd = fd,
                                                                     .size = source->manifest->stored_size,
                                                                     .failure = failure };
        const struct archive_handler handler = { on_begin, on_data, on_end, &extraction };
        int r;

        r = archive_reader_new(&handler, &extraction.reader);
        if (r >= 0 && copy_is_encrypted(source->name))
                r = age_decryptor_new(&opener, on_plain, &extraction, &extraction.decryptor);
        if (r < 0)
                return r;
        progress_start(&extraction.progress, "Writing");
        r = read_through(source->fd, &extraction);
        progress_end(&extraction.progress);
        return r;
}

int copy_source_extract(const struct copy_source *source, const struct proof_means *means, const char *path,
                        struct etcd_database *ret, struct failure *failure)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        _cleanup_facts_ facts = {};
        int r;

        r = examine(source, means, NULL, &facts, failure);
        if (r < 0)
                return r;
        r = new_file_open(path, 0600, &file);
        if (r >= 0)
                r = write_snapshot(source, means, file.fd, failure);
        if (r >= 0)
                r = new_file_publish(&file);
        if (r == -ENOSPC)
                return failure_set(failure, r, "DiskFull", "there is no room for the database at %s", path);
        return r < 0 ? r : snapshot_file_check(path, source->manifest, ret, failure);
}

static int hash_file(int fd, struct progress *progress, uint64_t size, uint64_t *ret_size,
                     uint8_t ret_sha256[static SHA256_SIZE])
{
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        _cleanup_free_ uint8_t *buffer = malloc(READ_SIZE);
        off_t at = 0;
        ssize_t n;
        int r;

        if (!buffer)
                return -ENOMEM;
        r = hasher_new(&hasher);
        while (r >= 0 && (n = pread(fd, buffer, READ_SIZE, at)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                r = n < 0 ? -errno : hasher_add(hasher, buffer, (size_t)n);
                at += n > 0 ? n : 0;
                progress_show(progress, (uint64_t)at, size);
        }
        if (r < 0)
                return r;
        *ret_size = (uint64_t)at;
        return hasher_finish(hasher, ret_sha256);
}

int snapshot_file_check(const char *path, const struct manifest *manifest, struct etcd_database *ret,
                        struct failure *failure)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct progress progress = {};
        uint8_t sha256[SHA256_SIZE];
        uint64_t size;
        int r;

        if (fd < 0)
                return -errno;
        progress_start(&progress, "Checking");
        r = hash_file(fd, &progress, manifest->raw_size, &size, sha256);
        progress_end(&progress);
        if (r < 0)
                return r;
        if (size != manifest->raw_size || memcmp(sha256, manifest->raw_sha256, SHA256_SIZE) != 0)
                return failure_set(failure, -EBADMSG, "HashMismatch",
                                   "%s is not the snapshot that its manifest names", path);
        return etcd_database_read(fd, size - SHA256_SIZE, NULL, ret, failure);
}
