/* SPDX-License-Identifier: Apache-2.0 */

#include "lock.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "copies.h"
#include "files.h"
#include "quantity.h"

#define TEXT_SIZE 64

/* "PID WORK", as whoever holds it wrote; empty for a moment after it was taken. */
static void read_holder(int fd, struct lock_holder *ret)
{
        char text[TEXT_SIZE] = {};
        const char *at = text;
        uint64_t pid;

        *ret = (struct lock_holder){ .work = "something" };
        if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || digits_parse(&at, 10, &pid) < 0 || pid > INT_MAX ||
            *at != ' ')
                return;
        ret->pid = (pid_t)pid;
        (void)snprintf(ret->work, sizeof(ret->work), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
}

static int restore_is_unfinished(const char *state_dir)
{
        _cleanup_free_ char *journal = copy_path(state_dir, "restore/journal.json", "");

        return journal ? access(journal, F_OK) == 0 : -ENOMEM;
}

int lock_take(const char *state_dir, const char *work, int *ret_fd, struct lock_holder *ret_holder)
{
        _cleanup_free_ char *path = copy_path(state_dir, "lock", "");
        _cleanup_close_ int fd = -EBADF;
        char text[TEXT_SIZE];
        int r, n;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                read_holder(fd, ret_holder);
                return -EBUSY;
        }

        /* One that was cut off, which lets nobody else near until it went on or was taken back. */
        r = restore_is_unfinished(state_dir);
        if (r < 0)
                return r;
        if (r > 0 && strcmp(work, "restore") != 0) {
                *ret_holder = (struct lock_holder){ .work = "restore" };
                return -EBUSY;
        }

        n = snprintf(text, sizeof(text), "%d %s\n", (int)getpid(), work);
        if (ftruncate(fd, 0) < 0)
                return -errno;
        r = write_all(fd, text, (size_t)n);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return 0;
}
