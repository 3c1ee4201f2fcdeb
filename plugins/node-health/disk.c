/* SPDX-License-Identifier: Apache-2.0 */

#include "disk.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "files.h"
#include "metric.h"
#include "mountinfo.h"
#include "node.h"
#include "quantity.h"
#include "text.h"
#include "timestamp.h"

#define LOOK_KEPT_USEC    (USEC_PER_SEC / 10) /* two rows share it */
#define AT_ONCE_KEPT_USEC (5 * USEC_PER_MIN)  /* what is mounted meanwhile is known a little later */

/* What differs between space and inodes. */
struct resource {
        double (*free_ratio)(const struct filesystem *filesystem); /* NAN: not counted here */
        void (*describe)(const struct filesystem *filesystem, char *buffer,
                         size_t size); /* the whole of it */
        const char *enough, *low;      /* reasons */
        const char *noun;
        const char *remedy;
};

/* f_bavail, not f_bfree: ext4 keeps 5 % for root, and the kubelet's eviction counts like this, too. So 0 %
 * may be left here while root can still write. */
static double space_ratio(const struct filesystem *filesystem)
{
        return filesystem->size > 0 ? (double)filesystem->available / (double)filesystem->size : NAN;
}

static double inode_ratio(const struct filesystem *filesystem)
{
        return filesystem->inodes > 0 ? (double)filesystem->inodes_available / (double)filesystem->inodes
                                      : NAN;
}

static void describe_space(const struct filesystem *filesystem, char *buffer, size_t size)
{
        char all[QUANTITY_SIZE];

        (void)snprintf(buffer, size, "%s", size_format_human(filesystem->size, all));
}

static void describe_inodes(const struct filesystem *filesystem, char *buffer, size_t size)
{
        (void)snprintf(buffer, size, "%llu inodes", (unsigned long long)filesystem->inodes);
}

static const struct resource space = {
        .free_ratio = space_ratio,
        .describe = describe_space,
        .enough = "EnoughSpace",
        .low = "DiskSpaceLow",
        .noun = "space",
        .remedy = "remove old images, logs or snapshots, or enlarge it",
};

static const struct resource inode = {
        .free_ratio = inode_ratio,
        .describe = describe_inodes,
        .enough = "EnoughInodes",
        .low = "InodesLow",
        .noun = "inodes",
        .remedy = "look for directories with very many small files (du --inodes -x)",
};

/* Whether an earlier path of the list is on the same file system. */
static bool seen_before(const struct disk_watch *disk, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (disk->found[i].error == 0 && disk->found[i].device == disk->found[index].device)
                        return true;
        return false;
}

/* The free ratio that path number `index` adds to the picture; NAN: none. */
static double ratio_at(const struct disk_watch *disk, const struct resource *resource, size_t index)
{
        if (disk->found[index].error != 0 || seen_before(disk, index))
                return NAN;
        return resource->free_ratio(&disk->found[index]);
}

static void judge(const struct resource *resource, const struct space_config *config,
                  const struct disk_watch *disk, struct check_result *ret)
{
        char low[384] = "", whole[64];
        double worst = INFINITY;

        for (size_t i = 0; i < disk->count; i++) {
                double ratio = ratio_at(disk, resource, i);

                if (disk->found[i].error != 0 && disk->found[i].error != ENOENT) {
                        check_result_set(ret, CHECK_UNKNOWN, "FileSystemUnreadable", "cannot look at %s: %s",
                                         config->paths.items[i], strerror(disk->found[i].error));
                        return;
                }
                if (isnan(ratio))
                        continue;
                worst = ratio < worst ? ratio : worst;
                if (ratio >= config->warn)
                        continue;
                resource->describe(&disk->found[i], whole, sizeof(whole));
                /* Whole percents: each change of the text is a write to the Node object. */
                text_append(low, sizeof(low), "%s%s has %.0f%% of its %s free", low[0] != '\0' ? ", " : "",
                            config->paths.items[i], floor(ratio * 100), whole);
        }

        if (isinf(worst)) {
                check_result_set(ret, CHECK_UNKNOWN, "NoFileSystemFound",
                                 "none of the configured paths is on a file system that counts this");
                return;
        }
        if (worst >= config->warn)
                check_result_set(ret, CHECK_OK, resource->enough,
                                 "every file system has at least %g%% of its %s free", config->warn * 100,
                                 resource->noun);
        else
                check_result_set(ret, worst < config->fail ? CHECK_FAIL : CHECK_WARN, resource->low,
                                 "%s; it fails below %g%%; %s", low, config->fail * 100, resource->remedy);
        ret->value = worst;
        ret->threshold = worst < config->warn && worst < config->fail ? config->fail : config->warn;
}

/* ---- looking: in a child, where a file system may hang ---- */

static void look(const char *root, const char *path, struct filesystem *ret)
{
        _cleanup_free_ char *full = path_under(root, path);
        struct statvfs vfs;
        struct stat st;

        *ret = (struct filesystem){};
        if (!full) {
                ret->error = ENOMEM;
                return;
        }
        if (stat(full, &st) < 0 || statvfs(full, &vfs) < 0) {
                ret->error = errno;
                return;
        }
        ret->device = st.st_dev;
        ret->size = vfs.f_blocks * vfs.f_frsize;
        ret->available = vfs.f_bavail * vfs.f_frsize;
        ret->inodes = vfs.f_files;
        ret->inodes_available = vfs.f_favail;
}

static void look_everywhere(const struct node *node, const struct config_strings *paths,
                            struct filesystem *ret_found)
{
        for (size_t i = 0; i < paths->count; i++)
                look(node->root, paths->items[i], &ret_found[i]);
}

/* In the child. */
static void send_all(int fd, const struct node *node, const struct config_strings *paths)
{
        struct filesystem found[NODE_HEALTH_PATHS_MAX];

        _Static_assert(sizeof(found) <= PROBE_ANSWER_MAX, "the answer fits in one write");
        look_everywhere(node, paths, found);
        (void)write_all(fd, found, paths->count * sizeof(found[0]));
}

/* statfs of these is answered from memory, whatever becomes of the disk (ext4_statfs, xfs_fs_statfs, …);
 * others ask a server or a process, or wait for a lock that their own work holds. */
static bool type_answers_at_once(const char *type)
{
        static const char *const types[] = { "ext2", "ext3", "ext4", "tmpfs", "vfat", "xfs" };

        for (size_t i = 0; i < ELEMENTS(types); i++)
                if (strcmp(types[i], type) == 0)
                        return true;
        return false;
}

static bool all_answer_at_once(const char *root, const struct config_strings *paths)
{
        _cleanup_free_ char *mountinfo = NULL;

        if (mountinfo_read(&mountinfo) < 0)
                return false;
        for (size_t i = 0; i < paths->count; i++) {
                _cleanup_free_ char *full = path_under(root, paths->items[i]);
                _cleanup_(mount_clear) struct mount mount = {};

                if (!full || mountinfo_find(mountinfo, full, &mount) < 0 || !type_answers_at_once(mount.type))
                        return false;
        }
        return true;
}

/* ---- the two checks ---- */

static void space_work(int fd, void *userdata)
{
        const struct check_run *run = userdata;

        send_all(fd, run->node, &run->node->config->checks.disk_space.paths);
}

static void inodes_work(int fd, void *userdata)
{
        const struct check_run *run = userdata;

        send_all(fd, run->node, &run->node->config->checks.inodes.paths);
}

static void finish(struct check_run *run, struct disk_watch *disk, const struct resource *resource,
                   const struct space_config *config, const void *answer, size_t size)
{
        struct check_result result;

        if (size != config->paths.count * sizeof(disk->found[0])) {
                check_result_set(&result, CHECK_UNKNOWN, "CheckFailed", "the measuring process ended early");
        } else {
                memcpy(disk->found, answer, size);
                disk->count = config->paths.count;
                disk->found_usec = now_boottime_usec();
                judge(resource, config, disk, &result);
        }
        check_finish(run, &result);
}

static void space_done(const void *answer, size_t size, void *userdata)
{
        struct check_run *run = userdata;

        finish(run, &run->node->space, &space, &run->node->config->checks.disk_space, answer, size);
}

static void inodes_done(const void *answer, size_t size, void *userdata)
{
        struct check_run *run = userdata;

        finish(run, &run->node->inodes, &inode, &run->node->config->checks.inodes, answer, size);
}

static void space_cancel(struct check_run *run)
{
        probe_stop(&run->node->space.probe);
}

static void inodes_cancel(struct check_run *run)
{
        probe_stop(&run->node->inodes.probe);
}

static bool same_paths(const struct config_strings *a, const struct config_strings *b)
{
        for (size_t i = 0; a->count == b->count && i < a->count; i++)
                if (strcmp(a->items[i], b->items[i]) != 0)
                        return false;
        return a->count == b->count;
}

/* What the other row has found a moment ago, where it looks at the same paths; or NULL. */
static const struct filesystem *found_by_other(const struct node *node, const struct disk_watch *disk)
{
        const struct disk_watch *other = disk == &node->space ? &node->inodes : &node->space;
        const struct checks_config *rows = &node->config->checks;

        if (other->count == 0 || now_boottime_usec() > other->found_usec + LOOK_KEPT_USEC ||
            !same_paths(&rows->disk_space.paths, &rows->inodes.paths))
                return NULL;
        return other->found;
}

static int start(struct check_run *run, struct disk_watch *disk, const struct config_strings *paths,
                 probe_work_fn work, probe_done_fn done)
{
        const struct filesystem *shared = found_by_other(run->node, disk);
        struct filesystem found[NODE_HEALTH_PATHS_MAX];
        struct check_result result;
        int r;

        if (now_boottime_usec() >= disk->at_once_until_usec) {
                disk->at_once = all_answer_at_once(run->node->root, paths);
                disk->at_once_until_usec = now_boottime_usec() + AT_ONCE_KEPT_USEC;
        }
        if (disk->at_once) {
                if (!shared)
                        look_everywhere(run->node, paths, found);
                done(shared ?: found, paths->count * sizeof(found[0]), run);
                return 0;
        }
        r = probe_start(&disk->probe, run->node->event, work, done, run);
        if (r != -EBUSY)
                return r;
        check_result_set(&result, CHECK_UNKNOWN, "FileSystemHangs",
                         "an earlier look at the file systems still hangs; look for a lost disk or network "
                         "file system (journalctl -k)");
        check_finish(run, &result);
        return 0;
}

int disk_space_start(struct check_run *run)
{
        run->cancel = space_cancel;
        return start(run, &run->node->space, &run->node->config->checks.disk_space.paths, space_work,
                     space_done);
}

int inodes_start(struct check_run *run)
{
        run->cancel = inodes_cancel;
        return start(run, &run->node->inodes, &run->node->config->checks.inodes.paths, inodes_work,
                     inodes_done);
}

static int add_ratios(const struct disk_watch *disk, const struct resource *resource,
                      const struct config_strings *paths, const char *name, const char *help,
                      json_object *metrics)
{
        for (size_t i = 0; i < disk->count; i++) {
                double ratio = ratio_at(disk, resource, i);
                int r;

                if (isnan(ratio))
                        continue;
                r = metric_add(metrics, METRIC_GAUGE, name, help, ratio, "path", paths->items[i], NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

int disk_space_metrics(const struct node *node, json_object *metrics)
{
        return add_ratios(&node->space, &space, &node->config->checks.disk_space.paths,
                          METRIC_NAME_PREFIX "filesystem_free_ratio",
                          "Space available to unprivileged users, as part of the file system's size.",
                          metrics);
}

int inodes_metrics(const struct node *node, json_object *metrics)
{
        return add_ratios(&node->inodes, &inode, &node->config->checks.inodes.paths,
                          METRIC_NAME_PREFIX "filesystem_inodes_free_ratio",
                          "Free inodes, as part of the file system's inodes.", metrics);
}
