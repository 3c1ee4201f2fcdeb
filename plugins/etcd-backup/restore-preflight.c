/* SPDX-License-Identifier: Apache-2.0 */

#include "restore.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "copy-source.h"
#include "files.h"
#include "kubeadm-upgrade.h"
#include "log.h"
#include "quantity.h"
#include "static-manifests.h"
#include "timestamp.h"

/* What etcd preallocates for its log beside the database (etcd: server/wal/wal.go), twice. */
#define LOG_ROOM (128 * 1024 * 1024)

void restore_clear(struct restore *restore)
{
        etcd_peer_clear(&restore->peer);
        etcd_tool_clear(&restore->tool);
        restore_journal_clear(&restore->journal);
}

static int take_flag(const char *manifest, const char *flag, const char *fallback, char **ret,
                     struct failure *failure)
{
        *ret = static_manifest_flag(manifest, flag);
        if (!*ret && fallback)
                *ret = strdup(fallback);
        if (*ret)
                return 0;
        return failure_set(failure, -EINVAL, "EtcdManifestUnreadable",
                           STATIC_MANIFESTS "/etcd.yaml has no line with --%s=", flag);
}

static int read_etcd_manifest(struct restore *restore)
{
        struct restore_journal *journal = &restore->journal;
        _cleanup_free_ char *manifest = NULL, *wal = NULL;
        int r;

        r = static_manifest_read(restore->root, "etcd", &manifest);
        if (r < 0)
                return failure_set(restore->failure, r, "NotAControlPlane",
                                   "cannot read " STATIC_MANIFESTS
                                   "/etcd.yaml: %s; a restore is for a node whose etcd kubeadm has set up",
                                   strerror(-r));
        wal = static_manifest_flag(manifest, "wal-dir");
        if (wal)
                return failure_set(restore->failure, -EINVAL, "EtcdManifestUnreadable",
                                   "etcd keeps its log apart (--wal-dir=%s), which this cannot restore", wal);
        r = take_flag(manifest, "name", NULL, &journal->member, restore->failure);
        if (r >= 0)
                r = take_flag(manifest, "data-dir", NULL, &journal->data_dir, restore->failure);
        if (r >= 0)
                r = take_flag(manifest, "initial-advertise-peer-urls", NULL, &journal->peer_url,
                              restore->failure);
        if (r >= 0)
                r = take_flag(manifest, "initial-cluster-token", "etcd-cluster", &journal->token,
                              restore->failure);
        if (r < 0)
                return r;
        if (journal->data_dir[0] != '/')
                return failure_set(restore->failure, -EINVAL, "EtcdManifestUnreadable",
                                   "--data-dir=%s of etcd.yaml is not an absolute path", journal->data_dir);
        journal->tag = static_manifest_image_tag(manifest);
        if (!journal->tag)
                return failure_set(restore->failure, -EINVAL, "EtcdVersionUnknown",
                                   "etcd.yaml names no image with a tag, so its version is not known");
        return 0;
}

static int read_prefix(struct restore *restore)
{
        _cleanup_free_ char *manifest = NULL;

        if (static_manifest_read(restore->root, "kube-apiserver", &manifest) >= 0)
                restore->journal.prefix = static_manifest_flag(manifest, "etcd-prefix");
        if (!restore->journal.prefix)
                restore->journal.prefix = strdup("/registry");
        return restore->journal.prefix ? 0 : -ENOMEM;
}

static int check_version(const struct restore *restore, const struct manifest *manifest)
{
        int ahead = etcd_version_ahead(manifest->etcd_version, restore->journal.tag);

        if (ahead == 0 || ahead == 1)
                return 0;
        return failure_set(
                restore->failure, -EPROTONOSUPPORT, "EtcdVersionUnfit",
                "the copy is of etcd %s, and this node's image is %s: a database is read by the same "
                "minor version and by the next; restore on a node whose image is that, and upgrade "
                "then",
                manifest->etcd_version, restore->journal.tag);
}

static int room_at(const char *path, uint64_t *ret_room, dev_t *ret_device)
{
        struct statvfs filesystem;
        struct stat st;

        if (stat(path, &st) < 0 || statvfs(path, &filesystem) < 0)
                return -errno;
        *ret_room = (uint64_t)filesystem.f_bavail * filesystem.f_frsize;
        *ret_device = st.st_dev;
        return 0;
}

/* The snapshot lies in the state directory meanwhile, the new database beside the old one. */
static int check_room(const struct restore *restore, uint64_t raw_size)
{
        _cleanup_free_ char *data_dir = path_under(restore->root, restore->journal.data_dir);
        uint64_t state_room = 0, data_room = 0, wanted = raw_size + LOG_ROOM;
        dev_t state_device = 0, data_device = 0; /* gcc -O3 does not see that both are set */
        char text[QUANTITY_SIZE];
        int r;

        if (!data_dir)
                return -ENOMEM;
        r = directory_make(data_dir, 0700);
        if (r >= 0)
                r = room_at(data_dir, &data_room, &data_device);
        if (r >= 0)
                r = room_at(restore->state_dir, &state_room, &state_device);
        if (r < 0)
                return failure_set(restore->failure, r, "DiskUnreadable", "cannot look at %s: %s", data_dir,
                                   strerror(-r));
        if (state_device == data_device)
                wanted += raw_size;
        else if (state_room < raw_size)
                return failure_set(restore->failure, -ENOSPC, "DiskFull", "%s needs %s free for the snapshot",
                                   restore->state_dir, size_format_human(raw_size, text));
        if (data_room < wanted)
                return failure_set(restore->failure, -ENOSPC, "DiskFull",
                                   "%s needs %s free: the old data is kept beside the new", data_dir,
                                   size_format_human(wanted, text));
        return 0;
}

/* The time, as a name under which nothing is kept yet. */
static char *new_id(const struct restore *restore)
{
        time_t now = (time_t)(now_realtime_usec() / USEC_PER_SEC);

        for (;; now++) {
                _cleanup_free_ char *relative = NULL, *kept = NULL;
                char text[32];
                struct tm tm;

                if (!gmtime_r(&now, &tm) || strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm) == 0)
                        return NULL;
                if (asprintf(&relative, "%s/" RESTORE_KEPT_PREFIX "%s", restore->journal.data_dir, text) <
                    0) {
                        relative = NULL;
                        return NULL;
                }
                kept = path_under(restore->root, relative);
                if (!kept)
                        return NULL;
                if (access(kept, F_OK) < 0)
                        return strdup(text);
        }
}

int restore_preflight(struct restore *restore, const struct copy_source *source)
{
        struct restore_journal *journal = &restore->journal;
        int r;

        r = kubeadm_upgrade_check(restore->root, restore->failure);
        if (r >= 0)
                r = read_etcd_manifest(restore);
        if (r >= 0)
                r = read_prefix(restore);
        if (r >= 0)
                r = check_version(restore, source->manifest);
        if (r >= 0)
                r = check_room(restore, source->manifest->raw_size);
        if (r < 0)
                return r;

        /* Best now, while the container may still run. */
        (void)etcd_tools_keep(restore->root, restore->state_dir, journal->tag);
        r = etcd_tool_find_restorer(restore->state_dir, journal->tag, &restore->tool, restore->failure);
        if (r < 0)
                return r;
        restore->tool_found = true;

        journal->id = new_id(restore);
        journal->source = strdup(source->description);
        if (!journal->id || !journal->source)
                return -ENOMEM;
        journal->cluster_id = source->manifest->cluster_id;
        return 0;
}
