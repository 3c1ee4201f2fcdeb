/* SPDX-License-Identifier: Apache-2.0 */

#include "stand-in.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

/* sd-event makes its descriptors with O_CLOEXEC and tells the number of one; the kernel lists what that one
 * watches (proc(5), fdinfo: "tfd:"). */
static int inherit(int epoll, bool yes)
{
        _cleanup_(fclosep) FILE *info = NULL;
        char path[64], line[256];
        int flags = yes ? 0 : FD_CLOEXEC, r;

        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
        info = fopen(path, "re");
        if (!info)
                return -errno;
        r = fcntl(epoll, F_SETFD, flags) < 0 ? -errno : 0;
        while (r >= 0 && fgets(line, sizeof(line), info))
                if (strncmp(line, "tfd:", 4) == 0 &&
                    fcntl((int)strtol(line + 4, NULL, 10), F_SETFD, flags) < 0)
                        r = -errno;
        return r;
}

static int become(int epoll, const struct stand_in *stand_in)
{
        char fd[16], refresh[32];
        const char *arguments[16] = { "stand-in", fd, stand_in->report_path, refresh };
        size_t n = 4;

        (void)snprintf(fd, sizeof(fd), "%d", epoll);
        (void)snprintf(refresh, sizeof(refresh), "%" PRIu64, stand_in->refresh_usec);
        for (const char *const *word = stand_in->again; *word; word++) {
                if (n == ELEMENTS(arguments) - 1)
                        return -E2BIG;
                arguments[n++] = *word;
        }
        execv(STAND_IN, (char *const *)arguments);
        return -errno;
}

int stand_in_wait(sd_event *event, const struct stand_in *stand_in)
{
        int epoll = sd_event_get_fd(event), r, failure;

        if (epoll < 0)
                return epoll;
        /* What was read from inotify but not handed on yet is no longer in the kernel. */
        r = sd_event_run(event, 0);
        if (r != 0)
                return r;
        /* Sets the timers, and says whether something is due at once. */
        r = sd_event_prepare(event);
        if (r < 0)
                return r;
        if (r > 0) {
                r = sd_event_dispatch(event);
                return r < 0 ? r : 1;
        }
        failure = inherit(epoll, true);
        if (failure >= 0)
                failure = become(epoll, stand_in);
        (void)inherit(epoll, false);
        r = sd_event_wait(event, 0);
        if (r > 0)
                r = sd_event_dispatch(event);
        return r < 0 ? r : failure;
}
