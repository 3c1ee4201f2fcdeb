/* SPDX-License-Identifier: Apache-2.0 */

#include "drill.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "command.h"
#include "copy-source.h"
#include "drill-etcd.h"
#include "drill-result.h"
#include "drill-snapshot.h"
#include "fault-point.h"
#include "files.h"
#include "kubeadm-upgrade.h"
#include "log.h"
#include "quantity.h"
#include "source-hash.h"
#include "static-manifests.h"
#include "timestamp.h"

#define LOG_ROOM (128 * 1024 * 1024) /* of etcd beside its database */

struct drill {
        const char *root, *state_dir;
        const struct backup_config *config;
        char *directory, *snapshot; /* STATE/drill, and the file in it */
        char *tag;
        struct etcd_tool restorer, server;
        struct etcd_peer member; /* the node's own */
        struct etcd_hash expected;
        struct drill_result result;
        struct failure *failure;
};

static void drill_clear(struct drill *drill)
{
        free(drill->directory);
        free(drill->snapshot);
        free(drill->tag);
        etcd_tool_clear(&drill->restorer);
        etcd_tool_clear(&drill->server);
        etcd_peer_clear(&drill->member);
        drill_result_clear(&drill->result);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
        (void)st;
        (void)kind;
        (void)at;
        return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

static void remove_scratch(const struct drill *drill)
{
        (void)nftw(drill->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- what it needs ---- */

static int find_tools(struct drill *drill)
{
        _cleanup_free_ char *manifest = NULL;
        int r;

        r = static_manifest_read(drill->root, "etcd", &manifest);
        if (r < 0)
                return failure_set(drill->failure, r, "NotAControlPlane",
                                   "cannot read " STATIC_MANIFESTS "/etcd.yaml: %s", strerror(-r));
        drill->tag = static_manifest_image_tag(manifest);
        if (!drill->tag)
                return failure_set(drill->failure, -EINVAL, "EtcdVersionUnknown",
                                   "etcd.yaml names no image with a tag, so its version is not known");
        (void)etcd_tools_keep(drill->root, drill->state_dir, drill->tag);
        r = etcd_tool_find_restorer(drill->state_dir, drill->tag, &drill->restorer, drill->failure);
        return r < 0 ? r
                     : etcd_tool_find_server(drill->state_dir, drill->tag, &drill->server, drill->failure);
}

/* The snapshot and the database that becomes of it, and what must be left. -ENOSPC: not now. */
static int check_room(const struct drill *drill, uint64_t raw_size)
{
        uint64_t room, wanted = 2 * raw_size + LOG_ROOM + drill->config->drill.min_free;
        char has[QUANTITY_SIZE], needs[QUANTITY_SIZE];
        struct statvfs st;

        if (statvfs(drill->state_dir, &st) < 0)
                return -errno;
        room = (uint64_t)st.f_bavail * st.f_frsize;
        if (room >= wanted)
                return 0;
        return failure_set(
                drill->failure, -ENOSPC, "NoRoomForDrill",
                "no drill, for %s has %s free and it needs %s (twice the database, and drill.minFree)",
                drill->state_dir, size_format_human(room, has), size_format_human(wanted, needs));
}

/* ---- the snapshot ---- */

static int load_key(const struct drill *drill, struct authentication_key *ret)
{
        const char *file = drill->config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(drill->root, file) : NULL;

        if (!file)
                return 0;
        return path ? authentication_key_load(path, ret, drill->failure) : -ENOMEM;
}

/* A copy that cannot be opened here can still be read: that it is ours, and each byte as it was sealed. */
static int read_back(struct drill *drill, const struct copy_source *source, const struct proof_means *means)
{
        _cleanup_facts_ facts = {};
        enum proof proof;
        int r;

        r = stored_copy_prove(source->fd, source->manifest, means, NULL, &proof, &facts, drill->failure);
        if (r < 0) {
                failure_prefix(drill->failure, "the newest copy, %s", source->description);
                return r;
        }
        drill->result.read_back = strdup(source->name);
        return drill->result.read_back ? 0 : -ENOMEM;
}

/* The newest copy, when it is plain and its source's hash is known. */
static int take_copy(struct drill *drill, bool *ret_taken)
{
        _cleanup_copy_source_ source = COPY_SOURCE_NONE;
        _cleanup_proof_means_ means = { .scratch_dir = drill->state_dir };
        char node[NODE_NAME_SIZE];
        struct etcd_database database;
        int r;

        *ret_taken = false;
        r = load_key(drill, &means.key);
        if (r < 0)
                return r;
        r = copy_source_find(drill->config, drill->root, drill->state_dir, "newest", NULL, node_name(node),
                             &source, drill->failure);
        if (r == -ENOENT) {
                failure_clear(drill->failure);
                return 0;
        }
        if (r < 0)
                return r;
        if (copy_is_encrypted(source.name))
                return read_back(drill, &source, &means);
        if (source_hash_load(drill->state_dir, source.name, &drill->expected) < 0)
                return 0;
        r = check_room(drill, source.manifest->raw_size);
        if (r >= 0)
                r = copy_source_extract(&source, &means, drill->snapshot, &database, drill->failure);
        if (r < 0)
                return r;
        drill->result.revision = database.revision;
        drill->result.copy = TAKE_PTR(source.name);
        drill->result.target = TAKE_PTR(source.target);
        *ret_taken = true;
        return 0;
}

static int read_revision(const char *path, int64_t *ret, struct failure *failure)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct etcd_database database;
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        r = etcd_database_read(fd, (uint64_t)st.st_size - SHA256_SIZE, NULL, &database, failure);
        if (r >= 0)
                *ret = database.revision;
        return r;
}

static int take_fresh(struct drill *drill)
{
        struct etcd_status status;
        int r;

        r = etcd_ask_status(&drill->member, 30 * USEC_PER_SEC, &status, drill->failure);
        if (r >= 0)
                r = check_room(drill, status.db_size);
        if (r >= 0)
                r = drill_snapshot_take(drill->root, &drill->config->etcd, drill->snapshot, drill->failure);
        if (r >= 0)
                r = read_revision(drill->snapshot, &drill->result.revision, drill->failure);
        return r < 0 ? r
                     : etcd_ask_hash(&drill->member, drill->result.revision, &drill->expected,
                                     drill->failure);
}

static int take_snapshot(struct drill *drill)
{
        bool taken;
        int r = take_copy(drill, &taken);

        return r < 0 || taken ? r : take_fresh(drill);
}

/* ---- the drill ---- */

static int restore_data(struct drill *drill)
{
        _cleanup_free_ char *data = NULL, *output = NULL;
        int status, r;

        if (asprintf(&data, "--data-dir=%s/data", drill->directory) < 0) {
                data = NULL;
                return -ENOMEM;
        }
        r = etcd_tool_run(&drill->restorer,
                          (const char *[]){ "snapshot", "restore", drill->snapshot, data,
                                            "--name=" DRILL_MEMBER,
                                            "--initial-cluster=" DRILL_MEMBER "=" DRILL_PEER_URL,
                                            "--initial-advertise-peer-urls=" DRILL_PEER_URL, NULL },
                          &status, &output);
        if (r < 0)
                return r;
        return status == 0 ? 0
                           : failure_set(drill->failure, -EIO, "RestoreToolFailed",
                                         "%s snapshot restore: %.400s", drill->restorer.path, output);
}

static int compare(const struct drill *drill, const struct etcd_hash *found)
{
        if (found->compact_revision != drill->expected.compact_revision)
                return failure_set(
                        drill->failure, -EAGAIN, "NotComparable",
                        "etcd compacted its history between snapshot and hash, so they do not compare; "
                        "the next drill tries again");
        if (found->hash != drill->expected.hash)
                return failure_set(drill->failure, -EBADMSG, "RestoredDataDiffers",
                                   "what was restored does not hold what the member held at revision %" PRId64
                                   ": HashKV %" PRIu32 ", not %" PRIu32,
                                   drill->result.revision, found->hash, drill->expected.hash);
        return 0;
}

static int restore_and_compare(struct drill *drill, uint64_t began_usec)
{
        struct drill_etcd etcd = {};
        struct etcd_hash found;
        int r;

        r = restore_data(drill);
        if (r >= 0)
                r = drill_etcd_start(&drill->server, drill->directory, &etcd, drill->failure);
        if (r < 0)
                return r;
        FAULT_POINT("drill-etcd-started");
        drill->result.recovery_usec = now_boottime_usec() - began_usec;
        r = etcd_ask_hash(&etcd.peer, drill->result.revision, &found, drill->failure);
        drill_etcd_stop(&etcd);
        return r < 0 ? r : compare(drill, &found);
}

static int run_once(struct drill *drill)
{
        uint64_t began_usec = now_boottime_usec();
        int r;

        r = directory_make(drill->directory, 0700);
        if (r >= 0)
                r = take_snapshot(drill);
        return r < 0 ? r : restore_and_compare(drill, began_usec);
}

static int run(struct drill *drill)
{
        int r;

        remove_scratch(drill); /* of a drill that was killed, before anybody asks for room */
        r = kubeadm_upgrade_check(drill->root, drill->failure);
        if (r >= 0)
                r = etcd_peer_make(drill->root, &drill->config->etcd, &drill->member);
        if (r >= 0)
                r = check_room(drill, 0);
        if (r >= 0)
                r = find_tools(drill);
        if (r < 0)
                return r;
        r = run_once(drill);
        remove_scratch(drill);
        return r;
}

/* ---- what it came to ---- */

static int set_result(struct drill *drill, int error)
{
        struct drill_result *result = &drill->result;
        char took[QUANTITY_SIZE];

        moment_now(&result->finished);
        if (error < 0) {
                result->outcome = error == -ENOSPC || error == -EBUSY || error == -EAGAIN ? DRILL_SKIPPED
                                                                                          : DRILL_FAILED;
                result->reason = strdup(drill->failure->reason ?: "DrillFailed");
                result->message = strdup(drill->failure->message ?: strerror(-error));
                return result->reason && result->message ? 0 : -ENOMEM;
        }
        duration_format_human(result->recovery_usec / 1000 * 1000, took);
        result->outcome = DRILL_PROVEN;
        result->reason = strdup("RestoredCopyMatches");
        if (asprintf(&result->message,
                     "%s was restored and served by etcd %s within %s; HashKV at revision %" PRId64
                     " is the member's own%s%s%s",
                     result->copy        ? result->copy
                     : result->read_back ? "a snapshot taken for it"
                                         : "a snapshot taken for it (what the member held at the newest copy "
                                           "is not known)",
                     drill->server.version, took, result->revision,
                     result->read_back ? ". The newest copy, " : "", result->read_back ?: "",
                     result->read_back ? ", is encrypted and was not opened: every byte is as it was sealed"
                                       : "") < 0)
                result->message = NULL;
        return result->reason && result->message ? 0 : -ENOMEM;
}

static void log_result(const struct drill_result *result)
{
        switch (result->outcome) {
        case DRILL_PROVEN:
                log_message(LOG_NOTICE, MESSAGE_DRILL_PROVEN, "Restore drill: %s", result->message);
                break;
        case DRILL_SKIPPED:
                log_message(LOG_WARNING, MESSAGE_DRILL_FAILED, "Restore drill put off: %s", result->message);
                break;
        case DRILL_FAILED:
                log_message(LOG_ERR, MESSAGE_DRILL_FAILED, "Restore drill failed: %s", result->message);
                break;
        }
}

int drill_run(const char *root, const char *state_dir, const struct backup_config *config)
{
        _cleanup_failure_ failure = {};
        _cleanup_(drill_clear) struct drill drill = {
                .root = root, .state_dir = state_dir, .config = config, .failure = &failure
        };
        int r;

        drill.directory = copy_path(state_dir, "drill", "");
        drill.snapshot = copy_path(state_dir, "drill/snapshot.db", "");
        if (!drill.directory || !drill.snapshot)
                return EXIT_UNHEALTHY;
        r = set_result(&drill, run(&drill));
        if (r >= 0)
                r = drill_result_save(state_dir, &drill.result);
        if (r < 0) {
                (void)log_error(r, "Cannot write %s/" DRILL_FILE, state_dir);
                return EXIT_UNHEALTHY;
        }
        log_result(&drill.result);
        return drill.result.outcome == DRILL_FAILED ? EXIT_UNHEALTHY : EXIT_GOOD;
}
