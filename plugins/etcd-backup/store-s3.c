/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "quantity.h"
#include "s3-list.h"
#include "s3-upload.h"
#include "store-kind.h"

/* The object's key: the target's prefix, the copy's name, a suffix. */
static char *make_key(const struct store *store, const char *name, const char *suffix)
{
        char *key;

        return asprintf(&key, "%s%s%s", store->target->s3.prefix ?: "", name, suffix) < 0 ? NULL : key;
}

/* Says of which target and of what the failure is. */
static int tell(const struct store *store, int error, const char *what, struct failure *failure)
{
        if (failure && !failure->reason)
                return failure_set(failure, error, "TargetFailing", "target %s: cannot %s: %s",
                                   store->target->name, what, strerror(-error));
        failure_prefix(failure, "target %s: cannot %s", store->target->name, what);
        return error;
}

/* A run lists several times, and nobody changes a manifest: each is asked for once. */
#define KEPT_SIZE_MAX (4 * 1024 * 1024)

struct kept_manifest {
        char *key, *text;
        size_t size;
};

struct place {
        struct s3 *s3;
        char remark[256];
        struct kept_manifest *kept;
        size_t n_kept, kept_size;
};

static struct s3 *s3_of(const struct store *store)
{
        return ((const struct place *)store->place)->s3;
}

static struct kept_manifest *find_kept(const struct place *place, const char *key)
{
        for (size_t i = 0; i < place->n_kept; i++)
                if (strcmp(place->kept[i].key, key) == 0)
                        return &place->kept[i];
        return NULL;
}

/* Takes the text, if there is room for it. */
static void keep(struct place *place, const char *key, char **text, size_t size)
{
        struct kept_manifest *kept;
        char *name;

        if (!*text || place->kept_size + size > KEPT_SIZE_MAX)
                return;
        kept = reallocarray(place->kept, place->n_kept + 1, sizeof(*kept));
        if (!kept)
                return;
        place->kept = kept;
        name = strdup(key);
        if (!name)
                return;
        kept[place->n_kept++] = (struct kept_manifest){ name, TAKE_PTR(*text), size };
        place->kept_size += size;
}

static void forget(struct place *place, const char *key)
{
        struct kept_manifest *kept = find_kept(place, key);

        if (!kept)
                return;
        place->kept_size -= kept->size;
        free(kept->key);
        free(kept->text);
        *kept = place->kept[--place->n_kept];
}

static int open_s3(struct store *store, struct failure *failure)
{
        struct place *place = calloc(1, sizeof(*place));
        int r;

        if (!place)
                return -ENOMEM;
        store->place = place;
        r = s3_open(&store->target->s3, store->root, store->interrupt, &place->s3, failure);
        return r < 0 ? tell(store, r, "use it", failure) : 0;
}

static void close_s3(struct store *store)
{
        struct place *place = store->place;

        if (!place)
                return;
        s3_close(place->s3);
        while (place->n_kept > 0)
                forget(place, place->kept[0].key);
        free(place->kept);
        free(place);
}

static const char *remark_s3(struct store *store)
{
        int64_t skew = s3_clock_skew_usec(s3_of(store));
        uint64_t minutes = ((uint64_t)(skew < 0 ? -skew : skew) + USEC_PER_MIN / 2) / USEC_PER_MIN;
        struct place *place = store->place;
        char amount[QUANTITY_SIZE];

        if (skew == 0)
                return NULL;
        (void)snprintf(
                place->remark, sizeof(place->remark),
                "target %s: this node's clock is %s %s the server's, which refused its requests until they "
                "were signed with the server's time; see timedatectl timesync-status",
                store->target->name, duration_format_human(minutes * USEC_PER_MIN, amount),
                skew < 0 ? "ahead of" : "behind");
        return place->remark;
}

/* Loads the manifest at the key. -ENOENT: it is not there (any more). */
static int load_manifest(struct store *store, const char *key, struct manifest **ret, struct failure *failure)
{
        const struct kept_manifest *kept = find_kept(store->place, key);
        _cleanup_s3_answer_ answer = {};
        int r;

        if (kept)
                return manifest_parse(kept->text, kept->size, ret, failure);
        r = s3_exchange(s3_of(store), &(struct s3_request){ .method = "GET", .key = key }, &answer, failure);
        if (r < 0)
                return r;
        if (answer.size > MANIFEST_SIZE_MAX)
                return -EFBIG;
        r = manifest_parse(answer.body ?: "", answer.size, ret, failure);
        if (r >= 0)
                keep(store->place, key, &answer.body, answer.size);
        return r;
}

/* The copy's name in a manifest's key, and its size; false: the key is not a manifest's. */
static bool is_manifest_key(const struct store *store, const char *key, const char *cluster, const char *node,
                            const char **ret_name, size_t *ret_size)
{
        const char *name = key + strlen(store->target->s3.prefix ?: "");
        size_t size = strlen(name), suffix = strlen(MANIFEST_SUFFIX);

        if (strchr(name, '/') || size <= suffix || strcmp(name + size - suffix, MANIFEST_SUFFIX) != 0)
                return false;
        if (cluster && node && !copy_name_is_of(name, size - suffix, cluster, node))
                return false;
        *ret_name = name;
        *ret_size = size - suffix;
        return true;
}

/* Adds the copy of the manifest, if it is one. */
static int add_copy(struct store *store, const struct s3_objects *objects, const struct s3_object *object,
                    const char *cluster, const char *node, struct copies *copies, struct failure *failure)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        const struct s3_object *archive;
        _cleanup_failure_ found = {};
        _cleanup_free_ char *key = NULL;
        const char *name;
        size_t size;
        bool whole;
        int r;

        if (object->size > MANIFEST_SIZE_MAX ||
            !is_manifest_key(store, object->key, cluster, node, &name, &size))
                return 0;
        r = load_manifest(store, object->key, &manifest, &found);
        if (r == -EINVAL || r == -EPROTONOSUPPORT || r == -EFBIG || r == -ENOENT)
                return 0; /* not ours, or removed meanwhile */
        if (r < 0)
                return found.reason ? failure_set(failure, r, found.reason, "%s", found.message) : r;
        if (!copy_is_of(manifest, name, size, cluster, node))
                return 0;
        key = make_key(store, manifest->stored_file, "");
        if (!key)
                return -ENOMEM;
        archive = s3_objects_find(objects, key);
        whole = archive && archive->size == manifest->stored_size;
        return copies_add(copies, TAKE_PTR(manifest), whole);
}

static int list_objects(struct store *store, const char *cluster, struct s3_objects *ret,
                        struct failure *failure)
{
        _cleanup_free_ char *prefix = NULL;

        if (asprintf(&prefix, "%setcd-%s%s", store->target->s3.prefix ?: "", cluster ?: "",
                     cluster ? "-" : "") < 0) {
                prefix = NULL;
                return -ENOMEM;
        }
        return s3_list_objects(s3_of(store), prefix, ret, failure);
}

static int list_s3(struct store *store, const char *cluster, const char *node, struct copies *ret,
                   struct failure *failure)
{
        _cleanup_s3_objects_ objects = {};
        _cleanup_copies_ copies = {};
        int r;

        r = list_objects(store, cluster, &objects, failure);
        for (size_t i = 0; i < objects.count && r >= 0; i++)
                r = add_copy(store, &objects, &objects.items[i], cluster, node, &copies, failure);
        if (r < 0)
                return tell(store, r, "list the copies", failure);

        copies_sort(&copies);
        *ret = copies;
        copies = (struct copies){};
        return 0;
}

static int fetch_s3(struct store *store, const struct copy *copy, const char *scratch_dir, int *ret_fd,
                    struct failure *failure)
{
        _cleanup_free_ char *key = make_key(store, copy->manifest->stored_file, "");
        _cleanup_s3_answer_ answer = {};
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!key)
                return -ENOMEM;
        fd = open(scratch_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return failure_set(failure, -errno, "ScratchUnusable", "cannot make a file in %s: %s",
                                   scratch_dir, strerror(errno));
        r = s3_exchange(s3_of(store),
                        &(struct s3_request){ .method = "GET",
                                              .key = key,
                                              .to_file = true,
                                              .fd = fd,
                                              .file_size = copy->manifest->stored_size },
                        &answer, failure);
        if (r < 0)
                return tell(store, r, "fetch the copy", failure);
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Whether the manifest at the key is this copy's. -ENOENT: there is none. */
static int compare_manifest(struct store *store, const char *key, const struct manifest *manifest,
                            struct failure *failure)
{
        _cleanup_(manifest_freep) struct manifest *found = NULL;
        _cleanup_failure_ why = {};
        int r;

        r = load_manifest(store, key, &found, &why);
        if (r == -ENOENT)
                return r;
        if (r == -EINVAL || r == -EPROTONOSUPPORT || r == -EFBIG ||
            (r >= 0 && memcmp(found->stored_sha256, manifest->stored_sha256, SHA256_SIZE) != 0))
                return failure_set(failure, -EEXIST, "NameTaken", "%s belongs to another copy already", key);
        return r < 0 && why.reason ? failure_set(failure, r, why.reason, "%s", why.message) : r;
}

static int put_manifest(struct store *store, const char *key, const struct manifest *manifest,
                        struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = manifest_format(manifest, true, &text);
        if (r < 0)
                return r;
        r = s3_put_text(s3_of(store), key, text, failure);
        /* Perhaps by our own first try, whose answer was lost. */
        return r == -EEXIST ? compare_manifest(store, key, manifest, failure) : r;
}

static int put_s3(struct store *store, int archive_fd, const struct manifest *manifest,
                  struct failure *failure)
{
        _cleanup_free_ char *archive = make_key(store, manifest->stored_file, ""),
                            *beside = make_key(store, manifest->stored_file, MANIFEST_SUFFIX);
        _cleanup_failure_ found = {};
        int r;

        if (!archive || !beside)
                return -ENOMEM;
        if (!store->target->allow_plaintext && !copy_is_encrypted(manifest->stored_file))
                return failure_set(failure, -EPERM, "PlaintextNotAllowed",
                                   "target %s: %s is not encrypted, and allowPlaintext is not set",
                                   store->target->name, manifest->stored_file);
        r = compare_manifest(store, beside, manifest, &found);
        if (r == -ENOENT) {
                r = s3_put_file(s3_of(store), archive, archive_fd, manifest->stored_size,
                                manifest->stored_sha256, &found);
                if (r >= 0)
                        r = put_manifest(store, beside, manifest, &found);
        }
        if (r >= 0)
                return 0;
        tell(store, r, "store the copy", &found);
        return failure_set(failure, r, found.reason, "%s", found.message);
}

static int remove_s3(struct store *store, const struct copy *copy, struct failure *failure)
{
        _cleanup_free_ char *archive = make_key(store, copy->manifest->stored_file, ""),
                            *beside = make_key(store, copy->manifest->stored_file, MANIFEST_SUFFIX);
        int r;

        if (!archive || !beside)
                return -ENOMEM;
        forget(store->place, beside);
        r = s3_delete(s3_of(store), beside, failure);
        if (r >= 0)
                r = s3_delete(s3_of(store), archive, failure);
        return r < 0 ? tell(store, r, "remove old copies", failure) : 0;
}

/* The name in a key of an archive that this node made, or NULL. */
static const char *own_name(const struct store *store, const char *key, const char *cluster, const char *node)
{
        const char *prefix = store->target->s3.prefix ?: "";
        const char *name = key + strlen(prefix);

        return strncmp(key, prefix, strlen(prefix)) == 0 && copy_name_is_of(name, strlen(name), cluster, node)
                       ? name
                       : NULL;
}

static int sweep_uploads(struct store *store, const char *cluster, const char *node, int *removed,
                         struct failure *failure)
{
        _cleanup_s3_uploads_ uploads = {};
        _cleanup_free_ char *prefix = NULL;
        int r;

        if (asprintf(&prefix, "%setcd-%s-%s-", store->target->s3.prefix ?: "", cluster, node) < 0) {
                prefix = NULL;
                return -ENOMEM;
        }
        r = s3_list_uploads(s3_of(store), prefix, &uploads, failure);
        for (size_t i = 0; i < uploads.count && r >= 0; i++) {
                if (!own_name(store, uploads.items[i].key, cluster, node))
                        continue;
                r = s3_abort_upload(s3_of(store), uploads.items[i].key, uploads.items[i].id, failure);
                *removed += r >= 0;
        }
        return r;
}

static int sweep_orphans(struct store *store, const char *cluster, const char *node, int *removed,
                         struct failure *failure)
{
        _cleanup_s3_objects_ objects = {};
        int r;

        r = list_objects(store, cluster, &objects, failure);
        for (size_t i = 0; i < objects.count && r >= 0; i++) {
                const char *name = own_name(store, objects.items[i].key, cluster, node);
                _cleanup_free_ char *beside = name ? make_key(store, name, MANIFEST_SUFFIX) : NULL;
                _cleanup_failure_ found = {};

                if (!beside || s3_objects_find(&objects, beside))
                        continue;
                r = s3_delete(s3_of(store), objects.items[i].key, &found);
                *removed += r >= 0;
                if (r == -EPERM) /* until its object lock expires */
                        r = 0;
                else if (r < 0)
                        failure_set(failure, r, found.reason ?: "TargetFailing", "%s",
                                    found.message ?: strerror(-r));
        }
        return r;
}

static int sweep_s3(struct store *store, const char *cluster, const char *node, struct failure *failure)
{
        int removed = 0, r;

        r = sweep_uploads(store, cluster, node, &removed, failure);
        if (r >= 0)
                r = sweep_orphans(store, cluster, node, &removed, failure);
        return r < 0 ? tell(store, r, "remove what earlier runs left", failure) : removed;
}

const struct store_kind store_s3 = {
        .open = open_s3,
        .close = close_s3,
        .remark = remark_s3,
        .list = list_s3,
        .fetch = fetch_s3,
        .put = put_s3,
        .remove = remove_s3,
        .sweep = sweep_s3,
};
