/* SPDX-License-Identifier: Apache-2.0 */

#include "read-only.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "files.h"
#include "mountinfo.h"
#include "node.h"
#include "quantity.h"
#include "text.h"
#include "timestamp.h"

/* The kernel takes longer to write the list than all else here: two rows share it. */
#define MOUNTS_KEPT_USEC (USEC_PER_SEC / 10)
#define MOUNTINFO_USUAL  (16 * 1024)

/* By the super options: ProtectSystem=strict makes every mount of this service read-only. Newer kernels leave
 * a broken ext4 "rw" and show "emergency_ro" or "shutdown" beside it (fs/ext4/super.c _ext4_show_options). */
static bool is_read_only(const struct mount *mount)
{
        return mount_option(mount->super_options, "ro") ||
               mount_option(mount->super_options, "emergency_ro") ||
               mount_option(mount->super_options, "shutdown");
}

/* Images, which cannot be written at all: nothing has gone wrong. */
static bool is_image(const struct mount *mount)
{
        static const char *const types[] = { "squashfs", "erofs", "iso9660", "cramfs" };

        for (size_t i = 0; i < ELEMENTS(types); i++)
                if (strcmp(mount->type, types[i]) == 0)
                        return true;
        return false;
}

/* Of this process, also with --root: the mounts are the kernel's, not the tree's. */
static int find_mount(const char *mountinfo, const char *root, const char *path, struct mount *ret)
{
        _cleanup_free_ char *full = path_under(root, path);

        return full ? mountinfo_find(mountinfo, full, ret) : -ENOMEM;
}

static void judge_root(const struct mount *mount, struct check_result *ret)
{
        if (is_read_only(mount))
                check_result_set(ret, CHECK_FAIL, "RootReadOnly",
                                 "the file system of %s (%s on %s) is read-only; look for I/O errors in: "
                                 "journalctl -k; "
                                 "then repair it and reboot",
                                 mount->mount_point, mount->type, mount->source);
        else
                check_result_set(ret, CHECK_OK, "RootWritable", "the root file system can be written");
}

/* The last line that any of the paths needs. */
static size_t count_lines(const struct node *node, const char *mountinfo)
{
        const struct config_strings *paths = &node->config->checks.read_only_filesystem.paths;
        size_t lines = 0;

        for (size_t i = 0; i <= paths->count; i++) {
                _cleanup_(mount_clear) struct mount mount = {};

                if (find_mount(mountinfo, node->root, i == 0 ? "/" : paths->items[i - 1], &mount) >= 0 &&
                    mount.line > lines)
                        lines = mount.line;
        }
        return lines;
}

static bool has_changed(struct mount_list *list)
{
        struct pollfd poll_fd = { .fd = list->fd, .events = POLLPRI };

        return poll(&poll_fd, 1, 0) < 0 || (poll_fd.revents & (POLLERR | POLLPRI));
}

/* Of the same mounts the lines that are needed. An error, behind which the kernel makes a file system
 * read-only, is no change of the mounts; so they are read each time. */
static int read_again(struct mount_list *list)
{
        char *mountinfo;
        int r;

        r = mountinfo_read_lines(list->fd, list->lines, strlen(list->mountinfo), &mountinfo);
        if (r < 0)
                return r;
        free(list->mountinfo);
        list->mountinfo = mountinfo;
        return 0;
}

static int read_all(const struct node *node, struct mount_list *list)
{
        int r;

        r = mountinfo_read_lines(list->fd, SIZE_MAX, MOUNTINFO_USUAL, &list->mountinfo);
        if (r < 0)
                return r;
        list->lines = count_lines(node, list->mountinfo);
        return 0;
}

static int read_mounts(struct node *node, const char **ret)
{
        struct mount_list *list = &node->mounts;
        uint64_t now_usec = now_boottime_usec();
        int r;

        if (!list->open) {
                list->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
                if (list->fd < 0)
                        return -errno;
                list->open = true;
        }
        if (!list->mountinfo || now_usec - list->read_usec > MOUNTS_KEPT_USEC) {
                /* Asked first, so that a change beside us is seen the next time. */
                if (has_changed(list) || !list->mountinfo || list->lines == 0) {
                        free(TAKE_PTR(list->mountinfo));
                        r = read_all(node, list);
                } else {
                        r = read_again(list);
                }
                if (r < 0) {
                        mount_list_clear(list);
                        return r;
                }
                list->read_usec = now_usec;
        }
        *ret = list->mountinfo;
        return 0;
}

void mount_list_clear(struct mount_list *list)
{
        free(list->mountinfo);
        if (list->open)
                (void)close(list->fd);
        *list = (struct mount_list){};
}

int read_only_root_start(struct check_run *run)
{
        _cleanup_(mount_clear) struct mount mount = {};
        struct check_result result;
        const char *mountinfo;
        int r;

        r = read_mounts(run->node, &mountinfo);
        if (r >= 0)
                r = find_mount(mountinfo, run->node->root, "/", &mount);
        if (r < 0)
                return r;
        judge_root(&mount, &result);
        check_finish(run, &result);
        return 0;
}

/* Adds the mount to the list when it is read-only, each once. */
static void add(const struct mount *mount, char *list, size_t size)
{
        char entry[256];

        (void)snprintf(entry, sizeof(entry), "%s (%s on %s)", mount->mount_point, mount->type, mount->source);
        if (is_read_only(mount) && !is_image(mount) && !strstr(list, entry))
                text_append(list, size, "%s%s", list[0] != '\0' ? ", " : "", entry);
}

int read_only_filesystem_start(struct check_run *run)
{
        const struct config_strings *paths = &run->node->config->checks.read_only_filesystem.paths;
        struct check_result result;
        const char *mountinfo;
        char list[384] = "";
        bool any = false;
        int r;

        r = read_mounts(run->node, &mountinfo);
        if (r < 0)
                return r;
        for (size_t i = 0; i < paths->count; i++) {
                _cleanup_(mount_clear) struct mount mount = {};

                r = find_mount(mountinfo, run->node->root, paths->items[i], &mount);
                if (r == -ENOENT)
                        continue; /* a bare chroot: no mount holds it */
                if (r < 0)
                        return r;
                any = true;
                add(&mount, list, sizeof(list));
        }
        if (!any)
                return -ENOENT;
        if (list[0] != '\0')
                check_result_set(
                        &result, CHECK_FAIL, "FilesystemIsReadOnly",
                        "read-only: %s; look for I/O errors in: journalctl -k; then repair it and reboot",
                        list);
        else
                check_result_set(&result, CHECK_OK, "FilesystemIsNotReadOnly",
                                 "the file systems that the node needs can be written");
        check_finish(run, &result);
        return 0;
}
