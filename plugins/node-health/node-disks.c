/* SPDX-License-Identifier: Apache-2.0 */

#include "node-disks.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "files.h"
#include "mountinfo.h"

#define DEPTH_MAX 4 /* a volume on a volume on a partition of a disk */

struct names {
        char (*items)[NODE_DISK_NAME_SIZE];
        size_t count, max;
};

static void add_name(struct names *names, const char *name, size_t length)
{
        if (length == 0 || length >= NODE_DISK_NAME_SIZE || names->count == names->max)
                return;
        for (size_t i = 0; i < names->count; i++)
                if (strlen(names->items[i]) == length && memcmp(names->items[i], name, length) == 0)
                        return;
        memcpy(names->items[names->count], name, length);
        names->items[names->count++][length] = '\0';
}

/* In sysfs a partition is a directory in that of its disk: "/sys/devices/…/block/vda/vda1". */
static void add_device(struct names *names, const char *link, unsigned depth)
{
        _cleanup_free_ char *path = realpath(link, NULL), *slaves = NULL;
        _cleanup_(closedirp) DIR *directory = NULL;
        const struct dirent *entry;
        char *at;

        at = path ? strstr(path, "/block/") : NULL;
        if (!at)
                return;
        for (at += strlen("/block"); *at == '/';) {
                size_t length = strcspn(at + 1, "/");

                add_name(names, at + 1, length);
                at += 1 + length;
        }
        if (depth == DEPTH_MAX || asprintf(&slaves, "%s/slaves", path) < 0)
                return;
        directory = opendir(slaves);
        while (directory && (entry = readdir(directory))) {
                _cleanup_free_ char *slave = NULL;

                if (entry->d_name[0] == '.' || asprintf(&slave, "%s/%s", slaves, entry->d_name) < 0)
                        continue;
                add_device(names, slave, depth + 1);
        }
}

static void add_path(struct names *names, const char *mountinfo, const char *root, const char *path)
{
        _cleanup_free_ char *full = path_under(root, path), *link = NULL;
        _cleanup_(mount_clear) struct mount mount = {};

        if (!full || mountinfo_find(mountinfo, full, &mount) < 0 ||
            asprintf(&link, "/sys/dev/block/%s", mount.device) < 0)
                return;
        add_device(names, link, 0);
}

size_t node_disks_find(const char *root, const struct config_strings *paths,
                       char (*ret_names)[NODE_DISK_NAME_SIZE], size_t max)
{
        struct names names = { .items = ret_names, .max = max };
        _cleanup_free_ char *mountinfo = NULL;

        if (mountinfo_read(&mountinfo) < 0)
                return 0;
        for (size_t i = 0; i < paths->count; i++)
                add_path(&names, mountinfo, root, paths->items[i]);
        return names.count;
}
