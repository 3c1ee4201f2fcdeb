/* SPDX-License-Identifier: Apache-2.0 */

#include "copies.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"

#define UTC_FORM "00000000T000000Z" /* as 20261121T100000Z */

void copies_clear(struct copies *copies)
{
        for (size_t i = 0; i < copies->count; i++)
                manifest_free(copies->items[i].manifest);
        free(copies->items);
        *copies = (struct copies){};
}

static bool ends_with(const char *name, const char *suffix)
{
        size_t size = strlen(name), suffix_size = strlen(suffix);

        return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

bool copy_is_encrypted(const char *name)
{
        return ends_with(name, COPY_SUFFIX ENCRYPTED_SUFFIX);
}

char *copy_name(const char *cluster, const char *node, uint64_t started_usec, int64_t revision,
                bool encrypted)
{
        time_t seconds = (time_t)(started_usec / 1000000);
        char utc[sizeof(UTC_FORM)];
        struct tm tm;
        char *name;

        gmtime_r(&seconds, &tm);
        if (strftime(utc, sizeof(utc), "%Y%m%dT%H%M%SZ", &tm) == 0)
                return NULL;
        if (asprintf(&name, "etcd-%s-%s-%s-r%" PRId64 COPY_SUFFIX "%s", cluster, node, utc, revision,
                     encrypted ? ENCRYPTED_SUFFIX : "") < 0)
                return NULL;
        return name;
}

char *copy_path(const char *directory, const char *name, const char *suffix)
{
        char *path;

        return asprintf(&path, "%s/%s%s", directory, name, suffix) < 0 ? NULL : path;
}

/* Skips a text of the form of UTC_FORM. Returns NULL for another. */
static const char *skip_utc(const char *text)
{
        for (const char *form = UTC_FORM; *form; form++, text++)
                if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
                        return NULL;
        return text;
}

static bool is_suffix(const char *text, size_t size, const char *suffix)
{
        return strlen(suffix) == size && memcmp(text, suffix, size) == 0;
}

bool copy_name_is_of(const char *name, size_t size, const char *cluster, const char *node)
{
        char prefix[COPY_NAME_MAX + 1];
        const char *at, *end;
        int n;

        n = snprintf(prefix, sizeof(prefix), "etcd-%s-%s-", cluster, node);
        if (n < 0 || (size_t)n >= sizeof(prefix) || size < (size_t)n || memcmp(name, prefix, (size_t)n) != 0)
                return false;

        at = skip_utc(name + n);
        if (!at || at[0] != '-' || at[1] != 'r')
                return false;
        at += 2;
        end = at + strspn(at, "0123456789");
        size -= (size_t)(end - name);
        return end > at &&
               (is_suffix(end, size, COPY_SUFFIX) || is_suffix(end, size, COPY_SUFFIX ENCRYPTED_SUFFIX));
}

bool copy_is_of(const struct manifest *manifest, const char *name, size_t size, const char *cluster,
                const char *node)
{
        const char *allowed;

        return manifest->stored_file && strlen(manifest->stored_file) == size &&
               memcmp(manifest->stored_file, name, size) == 0 &&
               config_check_name(manifest->cluster, &allowed) >= 0 &&
               config_check_name(manifest->node, &allowed) >= 0 &&
               copy_name_is_of(name, size, manifest->cluster, manifest->node) &&
               (!cluster || strcmp(manifest->cluster, cluster) == 0) &&
               (!node || strcmp(manifest->node, node) == 0);
}

int copies_add(struct copies *copies, struct manifest *manifest, bool whole)
{
        struct copy *items = reallocarray(copies->items, copies->count + 1, sizeof(*items));

        if (!items) {
                manifest_free(manifest);
                return -ENOMEM;
        }
        items[copies->count++] = (struct copy){ manifest, whole };
        copies->items = items;
        return 0;
}

static int newest_first(const void *a, const void *b)
{
        const struct manifest *one = ((const struct copy *)a)->manifest,
                              *other = ((const struct copy *)b)->manifest;
        int order = strcmp(one->cluster, other->cluster) ?: strcmp(one->node, other->node);

        if (order != 0)
                return order;
        if (one->sequence != other->sequence)
                return one->sequence > other->sequence ? -1 : 1;
        return -strcmp(one->stored_file, other->stored_file);
}

void copies_sort(struct copies *copies)
{
        if (copies->count > 1)
                qsort(copies->items, copies->count, sizeof(*copies->items), newest_first);
}

/* Adds the copy of the manifest file `name`, if it is one. */
static int load_copy(const char *directory, DIR *dir, const char *name, const char *cluster, const char *node,
                     struct copies *copies)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        size_t size = strlen(name) - strlen(MANIFEST_SUFFIX);
        _cleanup_free_ char *path = NULL;
        struct stat st;
        bool whole;
        int r;

        path = copy_path(directory, name, "");
        if (!path)
                return -ENOMEM;
        r = manifest_load(path, &manifest, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !copy_is_of(manifest, name, size, cluster, node))
                return 0;

        whole = fstatat(dirfd(dir), manifest->stored_file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode) && (uint64_t)st.st_size == manifest->stored_size;
        return copies_add(copies, TAKE_PTR(manifest), whole);
}

int copies_load(const char *directory, const char *cluster, const char *node, struct copies *ret)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        _cleanup_copies_ copies = {};
        struct dirent *entry;
        int r;

        if (!dir && errno != ENOENT)
                return -errno;
        while (dir && (entry = readdir(dir))) {
                if (!ends_with(entry->d_name, MANIFEST_SUFFIX))
                        continue;
                r = load_copy(directory, dir, entry->d_name, cluster, node, &copies);
                if (r < 0)
                        return r;
        }

        copies_sort(&copies);
        *ret = copies;
        copies = (struct copies){};
        return 0;
}

const struct copy *copies_newest(const struct copies *copies)
{
        for (size_t i = 0; i < copies->count; i++)
                if (copies->items[i].whole)
                        return &copies->items[i];
        return NULL;
}

int copy_remove(const char *directory, const struct copy *copy)
{
        _cleanup_free_ char *archive = copy_path(directory, copy->manifest->stored_file, ""),
                            *manifest = copy_path(directory, copy->manifest->stored_file, MANIFEST_SUFFIX);

        if (!archive || !manifest)
                return -ENOMEM;
        if (unlink(manifest) < 0 && errno != ENOENT)
                return -errno;
        return unlink(archive) < 0 && errno != ENOENT ? -errno : 0;
}

/* files.c's temporary names: ".NAME.new-XXXXXX". */
static bool is_own_temporary(const char *name, const char *cluster, const char *node)
{
        const char *end = name[0] == '.' ? strstr(name, ".new-") : NULL;
        size_t size;

        if (!end || strlen(end) != strlen(".new-XXXXXX"))
                return false;
        name++;
        size = (size_t)(end - name);
        if (size > strlen(MANIFEST_SUFFIX) &&
            memcmp(end - strlen(MANIFEST_SUFFIX), MANIFEST_SUFFIX, strlen(MANIFEST_SUFFIX)) == 0)
                size -= strlen(MANIFEST_SUFFIX);
        return copy_name_is_of(name, size, cluster, node);
}

/* Whether it is an archive of ours beside which no manifest stands, readable or not. */
static bool is_own_orphan(DIR *dir, const char *name, const char *cluster, const char *node)
{
        char manifest[COPY_NAME_MAX + 1];
        struct stat st;
        int n;

        if (!copy_name_is_of(name, strlen(name), cluster, node))
                return false;
        n = snprintf(manifest, sizeof(manifest), "%s" MANIFEST_SUFFIX, name);
        return n > 0 && (size_t)n < sizeof(manifest) &&
               fstatat(dirfd(dir), manifest, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int copies_sweep(const char *directory, const char *cluster, const char *node)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        struct dirent *entry;
        int removed = 0;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                if (!is_own_temporary(entry->d_name, cluster, node) &&
                    !is_own_orphan(dir, entry->d_name, cluster, node))
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
                        return -errno;
                removed++;
        }

        return removed;
}
