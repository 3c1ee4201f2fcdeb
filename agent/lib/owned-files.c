/* SPDX-License-Identifier: Apache-2.0 */

#include "owned-files.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "json-file.h"
#include "new-directory.h"
#include "unified-diff.h"

#define RECORD_SIZE_MAX (256 * 1024)
#define FILE_SIZE_MAX   (1024 * 1024) /* what is larger is none of ours */

struct ownership {
        const char *root;
        char *record_path;
        json_object *record; /* {"files": [PATH…], "directories": [PATH…]}, in the order of making */
        const struct owned_file *wanted;
        size_t n_wanted;
};

static void ownership_clear(struct ownership *ownership)
{
        json_object_put(ownership->record);
        free(ownership->record_path);
}
#define _cleanup_ownership_ _cleanup_(ownership_clear) struct ownership

static json_object *list(const struct ownership *ownership, const char *name)
{
        return json_member(ownership->record, name, json_type_array);
}

static const char *list_item(json_object *array, size_t i)
{
        return json_object_get_string(json_object_array_get_idx(array, i));
}

static bool list_has(json_object *array, const char *path)
{
        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (strcmp(list_item(array, i), path) == 0)
                        return true;
        return false;
}

static int list_add(json_object *array, const char *path)
{
        return list_has(array, path) ? 0 : json_append(array, json_object_new_string(path));
}

static int ownership_open(const char *root, const char *state_dir, const struct owned_file *wanted, size_t n,
                          struct ownership *ret)
{
        _cleanup_ownership_ ownership = { .root = root, .wanted = wanted, .n_wanted = n };
        int r;

        if (asprintf(&ownership.record_path, "%s/owned.json", state_dir) < 0) {
                ownership.record_path = NULL;
                return -ENOMEM;
        }
        r = json_load(ownership.record_path, RECORD_SIZE_MAX, &ownership.record);
        if (r == -ENOENT)
                ownership.record = json_object_new_object();
        else if (r < 0)
                return r;
        if (!ownership.record)
                return -ENOMEM;
        for (const char *const *name = (const char *const[]){ "files", "directories", NULL }; *name; name++) {
                if (list(&ownership, *name))
                        continue;
                r = json_set(ownership.record, *name, json_object_new_array());
                if (r < 0)
                        return r;
        }
        *ret = ownership;
        ownership = (struct ownership){};
        return 0;
}

static int cannot(struct failure *failure, int error, const char *verb, const char *path)
{
        return failure_set(failure, error, "FileNotWritten", "cannot %s %s: %s", verb, path,
                           strerror(-error));
}

/* The present text, NULL where there is no file; 1 when text and mode are as wanted. */
static int compare(const char *path, const struct owned_file *file, char **ret_text)
{
        struct stat status;
        size_t size;
        int r;

        *ret_text = NULL;
        if (lstat(path, &status) < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        if (!S_ISREG(status.st_mode))
                return -EEXIST;
        r = file_read(path, FILE_SIZE_MAX, ret_text, &size);
        if (r < 0)
                return r;
        return (status.st_mode & 07777) == file->mode && strcmp(*ret_text, file->text) == 0;
}

/* Refuses what is not ours to overwrite. */
static int check_foreign(const struct ownership *ownership, struct failure *failure)
{
        for (size_t i = 0; i < ownership->n_wanted; i++) {
                const struct owned_file *file = &ownership->wanted[i];
                _cleanup_free_ char *path = path_under(ownership->root, file->path), *text = NULL;
                int r;

                if (!path)
                        return -ENOMEM;
                r = compare(path, file, &text);
                if (r > 0 || (r == 0 && (!text || list_has(list(ownership, "files"), file->path))))
                        continue;
                if (r < 0 && r != -EEXIST)
                        return cannot(failure, r, "read", path);
                return failure_set(failure, -EEXIST, "ForeignFile",
                                   "%s is there already and nothing that this program wrote; move it away",
                                   path);
        }
        return 0;
}

static bool is_wanted(const struct ownership *ownership, const char *path)
{
        for (size_t i = 0; i < ownership->n_wanted; i++)
                if (strcmp(ownership->wanted[i].path, path) == 0)
                        return true;
        return false;
}

static bool is_wanted_below(const struct ownership *ownership, const char *directory)
{
        size_t length = strlen(directory);

        for (size_t i = 0; i < ownership->n_wanted; i++)
                if (strncmp(ownership->wanted[i].path, directory, length) == 0 &&
                    ownership->wanted[i].path[length] == '/')
                        return true;
        return false;
}

/* Adds the wanted files, and the directories above them that are not there, the uppermost first. */
static int claim(const struct ownership *ownership)
{
        for (size_t i = 0; i < ownership->n_wanted; i++) {
                _cleanup_free_ char *part = strdup(ownership->wanted[i].path);
                int r;

                if (!part)
                        return -ENOMEM;
                for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                        _cleanup_free_ char *directory = NULL;

                        *slash = '\0';
                        directory = path_under(ownership->root, part);
                        if (!directory)
                                return -ENOMEM;
                        r = access(directory, F_OK) < 0 ? list_add(list(ownership, "directories"), part) : 0;
                        if (r < 0)
                                return r;
                        *slash = '/';
                }
                r = list_add(list(ownership, "files"), ownership->wanted[i].path);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int save(const struct ownership *ownership, struct failure *failure)
{
        _cleanup_json_ json_object *old = NULL;
        int r;

        if (json_object_array_length(list(ownership, "files")) == 0 &&
            json_object_array_length(list(ownership, "directories")) == 0)
                r = unlink(ownership->record_path) < 0 && errno != ENOENT ? -errno : 0;
        else if (json_load(ownership->record_path, RECORD_SIZE_MAX, &old) >= 0 &&
                 json_object_equal(old, ownership->record))
                r = 0;
        else
                r = json_save(ownership->record_path, ownership->record);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot write %s: %s",
                                   ownership->record_path, strerror(-r));
        return 0;
}

/* Whether a wanted file is right in it: then it appears with that. */
static bool is_parent(const struct ownership *ownership, const char *directory)
{
        size_t length = strlen(directory);

        for (size_t i = 0; i < ownership->n_wanted; i++) {
                const char *path = ownership->wanted[i].path;

                if (strncmp(path, directory, length) == 0 && strrchr(path, '/') == path + length)
                        return true;
        }
        return false;
}

/* Whatever the umask says: others look into these directories. */
static int make_directories(const struct ownership *ownership, struct failure *failure)
{
        json_object *directories = list(ownership, "directories");

        for (size_t i = 0; i < json_object_array_length(directories); i++) {
                const char *name = list_item(directories, i);
                _cleanup_free_ char *path = path_under(ownership->root, name);

                if (!path)
                        return -ENOMEM;
                if (!is_wanted_below(ownership, name) || is_parent(ownership, name))
                        continue;
                if (mkdir(path, 0755) < 0) {
                        if (errno == EEXIST)
                                continue;
                        return cannot(failure, -errno, "make", path);
                }
                if (chmod(path, 0755) < 0)
                        return cannot(failure, -errno, "make", path);
        }
        return 0;
}

static int put(const char *path, const struct owned_file *file)
{
        int r;

        r = file_write(path, file->text, strlen(file->text), file->mode);
        if (r != -ENOENT)
                return r;
        r = new_directory_sweep(path);
        return r < 0 ? r : new_directory_write(path, file->text, strlen(file->text), file->mode);
}

static int write_wanted(const struct ownership *ownership, struct failure *failure)
{
        int changed = 0;

        for (size_t i = 0; i < ownership->n_wanted; i++) {
                const struct owned_file *file = &ownership->wanted[i];
                _cleanup_free_ char *path = path_under(ownership->root, file->path), *text = NULL;
                int r;

                if (!path)
                        return -ENOMEM;
                r = compare(path, file, &text);
                if (r > 0)
                        continue;
                r = put(path, file);
                if (r < 0)
                        return cannot(failure, r, "write", path);
                changed++;
        }
        return changed;
}

/* With its directory, if that is ours and holds nothing else. */
static int take(const struct ownership *ownership, const char *name, const char *path)
{
        _cleanup_free_ char *directory = strdup(name);
        int r = -ENOTEMPTY;

        if (!directory)
                return -ENOMEM;
        *strrchr(directory, '/') = '\0';
        if (list_has(list(ownership, "directories"), directory) && !is_wanted_below(ownership, directory))
                r = new_directory_remove(path);
        if (r == -ENOTEMPTY)
                r = unlink(path) < 0 ? -errno : 0;
        return r;
}

static int remove_unwanted(const struct ownership *ownership, struct failure *failure)
{
        json_object *files = list(ownership, "files");
        int changed = 0, r;

        for (size_t i = json_object_array_length(files); i-- > 0;) {
                const char *name = list_item(files, i);
                _cleanup_free_ char *path = path_under(ownership->root, name);

                if (!path)
                        return -ENOMEM;
                if (is_wanted(ownership, name))
                        continue;
                r = take(ownership, name, path);
                if (r >= 0)
                        changed++;
                else if (r != -ENOENT && r != -ENOTDIR)
                        return cannot(failure, r, "remove", path);
                json_object_array_del_idx(files, i, 1);
        }
        return changed;
}

/* Those that others put something into stay, and are theirs from then on. */
static int remove_directories(const struct ownership *ownership, struct failure *failure)
{
        json_object *directories = list(ownership, "directories");

        for (size_t i = json_object_array_length(directories); i-- > 0;) {
                const char *name = list_item(directories, i);
                _cleanup_free_ char *path = path_under(ownership->root, name);

                if (!path)
                        return -ENOMEM;
                if (is_wanted_below(ownership, name))
                        continue;
                if (rmdir(path) < 0 && errno != ENOENT && errno != ENOTDIR && errno != ENOTEMPTY &&
                    errno != EEXIST)
                        return cannot(failure, -errno, "remove", path);
                json_object_array_del_idx(directories, i, 1);
        }
        return 0;
}

int owned_files_apply(const char *root, const char *state_dir, const struct owned_file *wanted, size_t n,
                      struct failure *failure)
{
        _cleanup_ownership_ ownership = {};
        int r, written, removed;

        r = ownership_open(root, state_dir, wanted, n, &ownership);
        if (r >= 0)
                r = check_foreign(&ownership, failure);
        if (r >= 0)
                r = claim(&ownership);
        if (r >= 0)
                r = save(&ownership, failure);
        if (r >= 0)
                r = make_directories(&ownership, failure);
        if (r < 0)
                return r;
        written = write_wanted(&ownership, failure);
        if (written < 0)
                return written;
        removed = remove_unwanted(&ownership, failure);
        if (removed < 0)
                return removed;
        r = remove_directories(&ownership, failure);
        if (r >= 0)
                r = save(&ownership, failure);
        return r < 0 ? r : written + removed;
}

static int show_text(FILE *stream, const char *name, const struct owned_file *file, const char *before)
{
        _cleanup_free_ char *old = NULL, *new = NULL;

        if (!file->shown)
                return unified_diff(stream, name, before, file->text);
        old = before ? file->shown(before) : NULL;
        new = file->shown(file->text);
        if (!new || (before && !old))
                return -ENOMEM;
        if (old && strcmp(old, new) == 0 && strcmp(before, file->text) != 0)
                fprintf(stream, "# %s: only secrets differ, which are not shown\n", name);
        return unified_diff(stream, name, old, new);
}

static int show_wanted(const struct ownership *ownership, FILE *stream, struct failure *failure)
{
        for (size_t i = 0; i < ownership->n_wanted; i++) {
                const struct owned_file *file = &ownership->wanted[i];
                _cleanup_free_ char *path = path_under(ownership->root, file->path), *text = NULL;
                int r;

                if (!path)
                        return -ENOMEM;
                r = compare(path, file, &text);
                if (r < 0)
                        return cannot(failure, r, "read", path);
                r = show_text(stream, path, file, text);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Whether what goes holds secrets is not known any more, so only its name is shown. */
static int show_unwanted(const struct ownership *ownership, FILE *stream)
{
        json_object *files = list(ownership, "files");

        for (size_t i = json_object_array_length(files); i-- > 0;) {
                const char *name = list_item(files, i);
                _cleanup_free_ char *path = path_under(ownership->root, name);

                if (!path)
                        return -ENOMEM;
                if (!is_wanted(ownership, name) && access(path, F_OK) >= 0)
                        fprintf(stream, "--- %s\n+++ /dev/null\n", path);
        }
        return 0;
}

int owned_files_show(const char *root, const char *state_dir, const struct owned_file *wanted, size_t n,
                     FILE *stream, struct failure *failure)
{
        _cleanup_ownership_ ownership = {};
        int r;

        r = ownership_open(root, state_dir, wanted, n, &ownership);
        if (r >= 0)
                r = check_foreign(&ownership, failure);
        if (r >= 0)
                r = show_wanted(&ownership, stream, failure);
        return r < 0 ? r : show_unwanted(&ownership, stream);
}

int owned_files_foreign(const char *root, const char *state_dir, const struct owned_file *file)
{
        _cleanup_ownership_ ownership = {};
        int r;

        r = ownership_open(root, state_dir, file, 1, &ownership);
        if (r < 0)
                return r;
        r = check_foreign(&ownership, NULL);
        return r == -EEXIST ? 1 : r;
}

bool owned_files_recorded(const char *state_dir, const char *path)
{
        _cleanup_ownership_ ownership = {};

        return ownership_open("/", state_dir, NULL, 0, &ownership) >= 0 &&
               list_has(list(&ownership, "files"), path);
}
