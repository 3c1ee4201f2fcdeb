/* SPDX-License-Identifier: Apache-2.0 */

#include "lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "copies.h"
#include "files.h"

#define PID_TEXT_SIZE 16

static pid_t read_holder(int fd)
{
        char text[PID_TEXT_SIZE] = {};
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

int lock_take(const char *state_dir, int *ret_fd, pid_t *ret_holder)
{
        _cleanup_free_ char *path = copy_path(state_dir, "lock", "");
        _cleanup_close_ int fd = -EBADF;
        char text[PID_TEXT_SIZE];
        int r, n;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                *ret_holder = read_holder(fd);
                return -EBUSY;
        }

        n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
        if (ftruncate(fd, 0) < 0)
                return -errno;
        r = write_all(fd, text, (size_t)n);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return 0;
}
