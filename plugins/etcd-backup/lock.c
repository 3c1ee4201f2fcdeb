/* SPDX-License-Identifier: Apache-2.0 */

#include "lock.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "copies.h"
#include "files.h"
#include "quantity.h"

#define TEXT_SIZE 64

/* "PID WORK", as whoever holds it wrote, unless its process is gone: then it was one before, and who has it
 * now wrote nothing. */
static void tell_holder(int fd, const char *path, char ret_who[static LOCK_WHO_SIZE])
{
        char text[TEXT_SIZE] = {};
        const char *at = text;
        uint64_t pid;

        if (pread(fd, text, sizeof(text) - 1, 0) > 0 && digits_parse(&at, 10, &pid) >= 0 && pid > 0 &&
            pid <= INT_MAX && *at == ' ' && (kill((pid_t)pid, 0) == 0 || errno == EPERM))
                (void)snprintf(ret_who, LOCK_WHO_SIZE, "a %.*s of this member is under way (pid %d)",
                               (int)strcspn(at + 1, "\n"), at + 1, (int)pid);
        else
                (void)snprintf(ret_who, LOCK_WHO_SIZE,
                               "another program works on this member: lslocks shows who holds %s", path);
}

static int restore_is_unfinished(const char *state_dir)
{
        _cleanup_free_ char *journal = copy_path(state_dir, "restore/journal.json", "");

        return journal ? access(journal, F_OK) == 0 : -ENOMEM;
}

int lock_take(const char *state_dir, const char *work, int *ret_fd, char ret_who[static LOCK_WHO_SIZE])
{
        return lock_wait(state_dir, work, 0, ret_fd, ret_who);
}

int lock_wait(const char *state_dir, const char *work, unsigned seconds, int *ret_fd,
              char ret_who[static LOCK_WHO_SIZE])
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
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (seconds-- == 0) {
                        tell_holder(fd, path, ret_who);
                        return -EBUSY;
                }
                sleep(1);
        }

        /* One that was cut off, which lets nobody else near until it went on or was taken back. */
        r = restore_is_unfinished(state_dir);
        if (r < 0)
                return r;
        if (r > 0 && strcmp(work, "restore") != 0) {
                (void)snprintf(ret_who, LOCK_WHO_SIZE,
                               "a restore of this member is unfinished: capi-node etcd-backup restore, or "
                               "restore --abort");
                return -EALREADY;
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
