/* SPDX-License-Identifier: Apache-2.0 */

#include "copies.h"

#include <string.h>
#include <sys/stat.h>

#include "files.h"

/* Whole, or not there at all; and one name has one content. */
static int write_copy(const char *root, const char *name, const char *text, mode_t mode,
                      struct failure *failure)
{
        _cleanup_free_ char *path = NULL;
        struct stat status;
        int r;

        if (!name)
                return 0;
        path = path_under(root, name);
        if (!path)
                return -ENOMEM;
        if (lstat(path, &status) >= 0 && S_ISREG(status.st_mode) && status.st_size == (off_t)strlen(text))
                return 0;
        r = file_write(path, text, strlen(text), mode);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot write %s: %s", path, strerror(-r));
        return 0;
}

int copies_write(const char *root, const struct mirror_plan *plan, struct failure *failure)
{
        _cleanup_free_ char *directory = path_under(root, MIRROR_FILES);
        int r;

        if (!directory)
                return -ENOMEM;
        r = directory_make(directory, 0700);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot make %s: %s", directory,
                                   strerror(-r));
        r = write_copy(root, plan->authorities_path, plan->authorities_pem, 0644, failure);
        for (size_t i = 0; r >= 0 && i < plan->n_hosts; i++) {
                const struct mirror_host *host = &plan->hosts[i];

                r = write_copy(root, host->ca_path, host->ca_pem, 0644, failure);
                if (r >= 0)
                        r = write_copy(root, host->client_path, host->client_pem, 0600, failure);
        }
        return r;
}

static bool is_name_of(const char *path, const char *name)
{
        return path && strcmp(strrchr(path, '/') + 1, name) == 0;
}

static bool is_named(const struct mirror_plan *plan, const char *name)
{
        if (!plan)
                return false;
        for (size_t i = 0; i < plan->n_hosts; i++)
                if (is_name_of(plan->hosts[i].ca_path, name) || is_name_of(plan->hosts[i].client_path, name))
                        return true;
        return is_name_of(plan->authorities_path, name);
}

/* The next copy that the plan does not name; NULL: none. */
static const char *next_unnamed(DIR *dir, const struct mirror_plan *plan)
{
        for (struct dirent *entry; (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    !is_named(plan, entry->d_name))
                        return entry->d_name;
        return NULL;
}

bool copies_are_swept(const char *root, const struct mirror_plan *plan)
{
        _cleanup_free_ char *directory = path_under(root, MIRROR_FILES);
        _cleanup_(closedirp) DIR *dir = directory ? opendir(directory) : NULL;

        return dir ? !next_unnamed(dir, plan) : directory && errno == ENOENT;
}

int copies_sweep(const char *root, const struct mirror_plan *plan)
{
        _cleanup_free_ char *directory = path_under(root, MIRROR_FILES);
        _cleanup_(closedirp) DIR *dir = NULL;

        if (!directory)
                return -ENOMEM;
        dir = opendir(directory);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        for (const char *name; (name = next_unnamed(dir, plan));)
                if (unlinkat(dirfd(dir), name, 0) < 0)
                        return -errno;
        if (!plan && rmdir(directory) < 0)
                return -errno;
        return 0;
}
