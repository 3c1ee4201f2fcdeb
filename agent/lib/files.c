/* SPDX-License-Identifier: Apache-2.0 */

#include "files.h"

#include <fcntl.h>
#include <string.h>

/* Between the file's name and mkostemp's six characters; new_file_sweep knows a leftover by it. */
#define TEMPORARY_MARK ".new-"

static int open_regular(const char *path, struct stat *ret_st)
{
        /* O_NONBLOCK: a FIFO put in the place of a file must not hang the caller. */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        if (fstat(fd, ret_st) < 0)
                return -errno;
        if (!S_ISREG(ret_st->st_mode))
                return -EINVAL;
        return TAKE_FD(fd);
}

static int read_whole(int fd, size_t max, off_t expected, char **ret_data, size_t *ret_size)
{
        _cleanup_free_ char *data = NULL;
        size_t size = 0, capacity = 0;

        /* The size that fstat tells is not trusted: files of /proc say 0, and others grow. */
        for (;;) {
                ssize_t n;

                if (size + 1 >= capacity) {
                        size_t first =
                                expected >= 4096 && (uint64_t)expected <= max ? (size_t)expected + 2 : 4096;
                        size_t larger = capacity ? capacity * 2 : first;
                        char *grown;

                        /* Not realloc: what may be a secret is cleansed in the old place. */
                        grown = malloc(larger);
                        if (!grown)
                                return -ENOMEM;
                        if (data) {
                                memcpy(grown, data, size);
                                explicit_bzero(data, size);
                                free(data);
                        }
                        data = grown;
                        capacity = larger;
                }
                n = read(fd, data + size, capacity - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                size += (size_t)n;
                if (size > max)
                        return -EFBIG;
                /* Less than there is room for, at the size that was told: that is the end, too. */
                if (n == 0 || ((off_t)size == expected && size + 1 < capacity))
                        break;
        }
        data[size] = '\0';
        *ret_data = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int file_read(const char *path, size_t max, char **ret_data, size_t *ret_size)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        fd = open_regular(path, &st);
        if (fd < 0)
                return fd;
        return read_whole(fd, max, st.st_size, ret_data, ret_size);
}

int file_read_secret(const char *path, size_t max, char **ret_data, size_t *ret_size, struct failure *failure)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        fd = open_regular(path, &st);
        if (fd < 0)
                return failure_set(failure, fd, "SecretFileUnreadable", "cannot read %s: %s", path,
                                   strerror(-fd));
        if (st.st_mode & 0077)
                return failure_set(
                        failure, -EPERM, "SecretFileExposed",
                        "%s can be read or written by others than its owner (mode %04o); type: chmod 0600 %s",
                        path, st.st_mode & 07777, path);
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return failure_set(failure, -EPERM, "SecretFileExposed",
                                   "%s belongs to user id %u, who could change it; type: chown root: %s",
                                   path, (unsigned)st.st_uid, path);

        r = read_whole(fd, max, st.st_size, ret_data, ret_size);
        if (r < 0)
                return failure_set(failure, r, "SecretFileUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        return 0;
}

void file_stamp_read(const char *path, struct file_stamp *ret)
{
        struct stat st;

        *ret = (struct file_stamp){};
        if (stat(path, &st) < 0)
                return;
        ret->device = st.st_dev;
        ret->inode = st.st_ino;
        ret->size = st.st_size;
        ret->modified = st.st_mtim;
        ret->changed = st.st_ctim;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

int write_all(int fd, const void *data, size_t size)
{
        const uint8_t *at = data;

        while (size > 0) {
                ssize_t n = write(fd, at, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += n;
                size -= (size_t)n;
        }
        return 0;
}

/* The length of the directory part, with its slash: 0 for a bare name. */
static size_t directory_length(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? (size_t)(slash - path) + 1 : 0;
}

static int directory_sync(const char *path)
{
        size_t length = directory_length(path);
        _cleanup_free_ char *directory = length > 0 ? strndup(path, length) : strdup(".");
        _cleanup_close_ int fd = -EBADF;

        if (!directory)
                return -ENOMEM;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

int new_file_open(const char *path, mode_t mode, struct new_file *ret)
{
        _cleanup_free_ char *final = strdup(path), *temporary = NULL;
        size_t length = directory_length(path);
        _cleanup_close_ int fd = -EBADF;

        if (!final ||
            asprintf(&temporary, "%.*s.%s" TEMPORARY_MARK "XXXXXX", (int)length, path, path + length) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fchmod(fd, mode) < 0) {
                int r = -errno;

                (void)unlink(temporary);
                return r;
        }
        *ret = (struct new_file){ .fd = TAKE_FD(fd),
                                  .path = TAKE_PTR(final),
                                  .temporary = TAKE_PTR(temporary) };
        return 0;
}

int new_file_publish(struct new_file *file)
{
        int r;

        if (fsync(file->fd) < 0)
                return -errno;
        if (rename(file->temporary, file->path) < 0)
                return -errno;
        /* From here the name is public; what is left is that it survives a power cut. */
        free(file->temporary);
        file->temporary = NULL;
        r = directory_sync(file->path);
        new_file_discard(file);
        return r;
}

int new_file_publish_volatile(struct new_file *file)
{
        if (rename(file->temporary, file->path) < 0)
                return -errno;
        free(file->temporary);
        file->temporary = NULL;
        new_file_discard(file);
        return 0;
}

void new_file_discard(struct new_file *file)
{
        if (file->temporary)
                (void)unlink(file->temporary);
        closep(&file->fd);
        free(file->temporary);
        free(file->path);
        *file = (struct new_file)NEW_FILE_NONE;
}

static bool is_temporary(const char *name)
{
        const char *mark = strstr(name, TEMPORARY_MARK);

        return name[0] == '.' && mark && strlen(mark) == strlen(TEMPORARY_MARK "XXXXXX");
}

int new_file_sweep(const char *directory)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        struct dirent *entry;
        int removed = 0;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                if (!is_temporary(entry->d_name))
                        continue;
                if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
                        return -errno;
                removed++;
        }
        return removed;
}

int file_write_group(const char *path, const void *data, size_t size, mode_t mode, gid_t gid)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        int r;

        r = new_file_open(path, mode, &file);
        if (r < 0)
                return r;
        if (gid != (gid_t)-1 && fchown(file.fd, (uid_t)-1, gid) < 0)
                return -errno;
        r = write_all(file.fd, data, size);
        if (r < 0)
                return r;
        return new_file_publish(&file);
}

int file_write(const char *path, const void *data, size_t size, mode_t mode)
{
        return file_write_group(path, data, size, mode, (gid_t)-1);
}

int file_write_volatile(const char *path, const void *data, size_t size, mode_t mode)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        int r;

        r = new_file_open(path, mode, &file);
        if (r >= 0)
                r = write_all(file.fd, data, size);
        return r < 0 ? r : new_file_publish_volatile(&file);
}

int directory_make(const char *path, mode_t mode)
{
        _cleanup_free_ char *part = strdup(path);

        if (!part)
                return -ENOMEM;
        for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(part, mode) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        if (mkdir(part, mode) < 0 && errno != EEXIST)
                return -errno;
        return 0;
}

char *path_under(const char *root, const char *path)
{
        size_t length = strlen(root);
        char *joined;

        while (length > 0 && root[length - 1] == '/')
                length--;
        return asprintf(&joined, "%.*s%s", (int)length, root, path) < 0 ? NULL : joined;
}
