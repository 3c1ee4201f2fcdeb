/* SPDX-License-Identifier: Apache-2.0 */

#include "unit-processes.h"

#include <string.h>

#include "files.h"
#include "quantity.h"

/* containerd's shims stay in its control group when it is restarted, and then are older than it. */
#define OUTLIVING "containerd-shim"

#define PIDS_MAX (64 * 1024) /* of the file; a service with more has its oldest among the first */

char *services_directory(const char *root)
{
        static const char *const places[] = { "/sys/fs/cgroup/system.slice",
                                              "/sys/fs/cgroup/unified/system.slice",
                                              "/sys/fs/cgroup/systemd/system.slice" };

        for (size_t i = 0; i < ELEMENTS(places); i++) {
                char *path = path_under(root, places[i]);

                if (!path || access(path, F_OK) == 0)
                        return path;
                free(path);
        }
        return path_under(root, places[0]);
}

/* Files of /proc and /sys tell no size and are cut where the buffer ends, so file_read does not suit them. */
static int read_some(const char *path, char *buffer, size_t size)
{
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        size_t n;

        if (!file)
                return -errno;
        n = fread(buffer, 1, size - 1, file);
        buffer[n] = '\0';
        return n ? 0 : -ENODATA;
}

/* proc_pid_stat(5), field 22: clock ticks since boot, suspend included. The name in field 2 may hold
 * anything, so what counts begins behind the last ')', which field 3 follows. */
static int process_start(const char *pid, uint64_t *ret_usec)
{
        char path[64], text[1024], *at, *end;
        unsigned long long ticks;
        int r;

        if (snprintf(path, sizeof(path), "/proc/%s/stat", pid) >= (int)sizeof(path))
                return -EINVAL;
        r = read_some(path, text, sizeof(text));
        if (r < 0)
                return r;
        if (strstr(text, "(" OUTLIVING))
                return -ESRCH;
        at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return -EINVAL;
        errno = 0;
        ticks = strtoull(at + 1, &end, 10);
        if (errno != 0 || end == at + 1)
                return -EINVAL;
        *ret_usec = (ticks + 1) * USEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
        return 0;
}

int service_started(const char *directory, const char *unit, uint64_t *ret_usec)
{
        char path[512], pids[PIDS_MAX], *next = pids;
        uint64_t oldest = UINT64_MAX, start;

        if (snprintf(path, sizeof(path), "%s/%s/cgroup.procs", directory, unit) >= (int)sizeof(path) ||
            read_some(path, pids, sizeof(pids)) < 0)
                return -ESRCH;
        for (char *pid; (pid = strsep(&next, "\n"));)
                if (*pid && process_start(pid, &start) >= 0 && start < oldest)
                        oldest = start;
        if (oldest == UINT64_MAX)
                return -ESRCH;
        *ret_usec = oldest;
        return 0;
}
