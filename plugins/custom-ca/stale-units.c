/* SPDX-License-Identifier: Apache-2.0 */

#include "stale-units.h"

#include <string.h>

#include "files.h"
#include "quantity.h"

#define UNITS_MAX 64
#define FILE_MAX  (64 * 1024)

void stale_units_clear(struct config_strings *units)
{
        for (size_t i = 0; i < units->count; i++)
                free(units->items[i]);
        free(units->items);
        *units = (struct config_strings){};
}

/* files of /proc and /sys tell no size, so file_read does not suit them. */
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
 * anything, so what counts begins behind the last ')'. */
static int process_start(long pid, uint64_t *ret_usec)
{
        unsigned long long ticks;
        char path[64], text[1024];
        const char *rest;
        int r;

        snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
        r = read_some(path, text, sizeof(text));
        if (r < 0)
                return r;
        rest = strrchr(text, ')');
        if (!rest || sscanf(rest + 1,
                            " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                            "%llu",
                            &ticks) != 1)
                return -EINVAL;
        *ret_usec = ticks * USEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
        return 0;
}

static bool is_of_interest(const char *unit)
{
        static const char *const passed_over[] = { "systemd-", "capi-node-",    "cloud-",        "dbus",
                                                   "getty@",   "serial-getty@", "console-getty", "user@" };
        const char *suffix = strrchr(unit, '.');

        if (!suffix || strcmp(suffix, ".service") != 0)
                return false;
        for (size_t i = 0; i < ELEMENTS(passed_over); i++)
                if (strncmp(unit, passed_over[i], strlen(passed_over[i])) == 0)
                        return false;
        return true;
}

/* The oldest process is the main one, or a helper of its time. */
static bool started_before(const char *cgroups, const char *unit, uint64_t usec)
{
        char path[512], pids[FILE_MAX], *next = pids;
        uint64_t oldest = UINT64_MAX, start;

        if (snprintf(path, sizeof(path), "%s/%s/cgroup.procs", cgroups, unit) >= (int)sizeof(path) ||
            read_some(path, pids, sizeof(pids)) < 0)
                return false;
        for (char *pid; (pid = strsep(&next, "\n"));)
                if (*pid && process_start(strtol(pid, NULL, 10), &start) >= 0 && start < oldest)
                        oldest = start;
        return oldest < usec;
}

int stale_units(const char *cgroups, uint64_t changed_usec, struct config_strings *ret)
{
        _cleanup_(stale_units_clear) struct config_strings units = {};
        _cleanup_(closedirp) DIR *dir = opendir(cgroups);

        units.items = calloc(UNITS_MAX, sizeof(*units.items));
        if (!units.items)
                return -ENOMEM;
        for (struct dirent *entry; dir && units.count < UNITS_MAX && (entry = readdir(dir));) {
                if (!is_of_interest(entry->d_name) || !started_before(cgroups, entry->d_name, changed_usec))
                        continue;
                units.items[units.count] = strdup(entry->d_name);
                if (!units.items[units.count])
                        return -ENOMEM;
                units.count++;
        }
        *ret = units;
        units = (struct config_strings){};
        return 0;
}
