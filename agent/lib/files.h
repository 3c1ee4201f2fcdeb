/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whole files, read within a limit and written atomically. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "failure.h"

/* Reads the whole regular file; the buffer is NUL-terminated behind ret_size bytes and owned by the caller.
 * Returns -EFBIG when it is larger than max, -EINVAL when it is not a regular file, or another -errno. */
int file_read(const char *path, size_t max, char **ret_data, size_t *ret_size);

/* Like file_read, for a file that holds a secret: refuses one that group or others can read or write, or that
 * neither root nor this process's user owns, with -EPERM and a failure that carries the chmod or chown to
 * type. */
int file_read_secret(const char *path, size_t max, char **ret_data, size_t *ret_size,
                     struct failure *failure);

/* What stat tells of a file's content: while it stays the same, the file need not be read again. A file that
 * is not there has a stamp too. */
struct file_stamp {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified, changed;
};
void file_stamp_read(const char *path, struct file_stamp *ret);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);

/* A file under construction beside its final name: written to fd, then published by file_publish (fsync,
 * rename, fsync of the directory) or dropped by new_file_discard. Nothing ever appears under the final name
 * half-written. */
struct new_file {
        int fd;
        char *path;      /* the final name */
        char *temporary; /* ".NAME.new-XXXXXX" in the same directory; what a crash leaves, new_file_sweep
                            removes */
};
#define NEW_FILE_NONE        \
        {                    \
                .fd = -EBADF \
        }

int new_file_open(const char *path, mode_t mode, struct new_file *ret);
int new_file_publish(struct new_file *file); /* on failure the file is still to be discarded */
/* Without waiting for the disk: for what need not survive a power cut, and may be empty after one. */
int new_file_publish_volatile(struct new_file *file);
void new_file_discard(struct new_file *file);
/* Removes what earlier, killed runs left in the directory. Returns the number removed or -errno. */
int new_file_sweep(const char *directory);

/* new_file_open, write, publish in one. gid: -1 leaves the group. */
int file_write(const char *path, const void *data, size_t size, mode_t mode);
int file_write_group(const char *path, const void *data, size_t size, mode_t mode, gid_t gid);
/* new_file_open, write, new_file_publish_volatile in one. */
int file_write_volatile(const char *path, const void *data, size_t size, mode_t mode);

/* Writes all bytes, resuming after EINTR and short writes. Returns 0 or -errno. */
int write_all(int fd, const void *data, size_t size);

/* mkdir -p. Existing directories are left as they are. */
int directory_make(const char *path, mode_t mode);

/* Joins root and an absolute path: path_under("/", "/etc/x") is "/etc/x". Owned by the caller; NULL: no
 * memory. */
char *path_under(const char *root, const char *path);
