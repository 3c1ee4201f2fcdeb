/* SPDX-License-Identifier: Apache-2.0 */

#include "scratch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "files.h"
#include "quantity.h"

static int check_room(int fd, uint64_t room)
{
        uint64_t available, kept;
        struct statvfs st;

        if (fstatvfs(fd, &st) < 0)
                return -errno;
        available = (uint64_t)st.f_bavail * st.f_frsize;
        kept = (uint64_t)st.f_blocks * st.f_frsize / 10;
        return available >= kept && available - kept >= room ? 0 : -ENOSPC;
}

static int open_unnamed(const char *directory, uint64_t room)
{
        _cleanup_close_ int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = check_room(fd, room);
        return r < 0 ? r : TAKE_FD(fd);
}

void scratch_open(struct scratch *scratch, const char *const *directories, uint64_t room)
{
        *scratch = (struct scratch){ .fd = -EBADF, .room = room };
        for (; *directories && scratch->fd < 0; directories++) {
                scratch->fd = open_unnamed(*directories, room);
                if (scratch->error == 0)
                        scratch->error = scratch->fd;
        }
        if (scratch->fd >= 0)
                scratch->error = 0;
}

void scratch_write(struct scratch *scratch, const void *data, size_t size)
{
        int r;

        if (scratch->error < 0)
                return;
        r = write_all(scratch->fd, data, size);
        if (r < 0) {
                scratch_close(scratch);
                scratch->error = r;
                return;
        }
        scratch->size += size;
}

void scratch_close(struct scratch *scratch)
{
        closep(&scratch->fd);
        scratch->fd = -EBADF;
}

void scratch_explain(const struct scratch *scratch, struct failure *failure)
{
        char room[QUANTITY_SIZE];

        size_format_human(scratch->room, room);
        if (scratch->error == -ENOSPC || scratch->error == -EDQUOT)
                (void)failure_set(failure, scratch->error, "DatabaseNotWalked",
                                  "proven by its hashes only: to walk through the database takes %s of disk "
                                  "for a moment, and a tenth of that disk besides",
                                  room);
        else
                (void)failure_set(failure, scratch->error, "DatabaseNotWalked",
                                  "proven by its hashes only: cannot make a file to walk "
                                  "through the database: %s",
                                  strerror(-scratch->error));
}
