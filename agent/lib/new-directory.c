/* SPDX-License-Identifier: Apache-2.0 */

#include "new-directory.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "files.h"

#define MARK ".new-" /* and six characters of mkdtemp */

/* PARENT/NAME of the directory that PARENT/NAME/FILE is in. */
static int split(const char *file, char **ret_directory, char **ret_parent, char **ret_name)
{
        _cleanup_free_ char *directory = strdup(file), *parent = NULL, *name = NULL;
        char *slash;

        if (!directory)
                return -ENOMEM;
        slash = strrchr(directory, '/');
        if (!slash || slash == directory)
                return -EINVAL;
        *slash = '\0';
        slash = strrchr(directory, '/');
        if (!slash)
                return -EINVAL;
        parent = strndup(directory, slash == directory ? 1 : (size_t)(slash - directory));
        name = strdup(slash + 1);
        if (!parent || !name)
                return -ENOMEM;
        *ret_directory = TAKE_PTR(directory);
        *ret_parent = TAKE_PTR(parent);
        *ret_name = TAKE_PTR(name);
        return 0;
}

/* Removes a directory with the plain files in it. */
static int take_apart(const char *directory)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);

        if (!dir)
                return -errno;
        for (struct dirent *entry; (entry = readdir(dir));) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
                        return -errno;
        }
        return rmdir(directory) < 0 ? -errno : 0;
}

static int make_beside(const char *parent, const char *name, char **ret)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/.%s" MARK "XXXXXX", parent, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (!mkdtemp(path))
                return -errno;
        *ret = TAKE_PTR(path);
        return 0;
}

static int sync_directory(const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

static int fill(const char *directory, const char *file, const void *data, size_t size, mode_t mode)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, strrchr(file, '/') + 1) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (chmod(directory, 0755) < 0) /* whatever the umask says */
                return -errno;
        return file_write(path, data, size, mode);
}

int new_directory_write(const char *file, const void *data, size_t size, mode_t mode)
{
        _cleanup_free_ char *directory = NULL, *parent = NULL, *name = NULL, *beside = NULL;
        int r;

        r = split(file, &directory, &parent, &name);
        if (r >= 0)
                r = make_beside(parent, name, &beside);
        if (r < 0)
                return r;
        r = fill(beside, file, data, size, mode);
        if (r >= 0 && renameat2(AT_FDCWD, beside, AT_FDCWD, directory, RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r < 0) {
                (void)take_apart(beside);
                return r;
        }
        return sync_directory(parent);
}

static int has_others(const char *directory, const char *own)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);

        if (!dir)
                return -errno;
        for (struct dirent *entry; (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    strcmp(entry->d_name, own) != 0)
                        return 1;
        return 0;
}

int new_directory_remove(const char *file)
{
        _cleanup_free_ char *directory = NULL, *parent = NULL, *name = NULL, *beside = NULL;
        int r;

        r = split(file, &directory, &parent, &name);
        if (r >= 0)
                r = has_others(directory, strrchr(file, '/') + 1);
        if (r != 0)
                return r < 0 ? r : -ENOTEMPTY;
        r = make_beside(parent, name, &beside);
        if (r < 0)
                return r;
        if (rename(directory, beside) < 0) { /* over the empty one */
                r = -errno;
                (void)rmdir(beside);
                return r;
        }
        r = take_apart(beside);
        return r < 0 ? r : sync_directory(parent);
}

int new_directory_sweep(const char *file)
{
        _cleanup_free_ char *directory = NULL, *parent = NULL, *name = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t length;
        int r;

        r = split(file, &directory, &parent, &name);
        if (r < 0)
                return r;
        dir = opendir(parent);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        length = strlen(name);
        for (struct dirent *entry; (entry = readdir(dir));) {
                _cleanup_free_ char *path = NULL;

                if (entry->d_name[0] != '.' || strncmp(entry->d_name + 1, name, length) != 0 ||
                    strncmp(entry->d_name + 1 + length, MARK, strlen(MARK)) != 0 ||
                    strlen(entry->d_name + 1 + length) != strlen(MARK "XXXXXX"))
                        continue;
                if (asprintf(&path, "%s/%s", parent, entry->d_name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = take_apart(path);
                if (r < 0)
                        return r;
        }
        return 0;
}
