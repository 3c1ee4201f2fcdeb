/* SPDX-License-Identifier: Apache-2.0 */

#include "restore.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "containers.h"
#include "etcd-database.h"
#include "fault-point.h"
#include "files.h"
#include "http-client.h"
#include "log.h"
#include "quantity.h"
#include "revision-journal.h"
#include "static-manifests.h"
#include "timestamp.h"

/* The API server may take its whole grace period of 30 s, and the kubelet looks every 20 s at the latest. */
#define STOP_USEC (3 * USEC_PER_MIN)
/* A large database is read at start; an API server waits for etcd. */
#define START_USEC  (5 * USEC_PER_MIN)
#define LOOK_USEC   (250 * USEC_PER_MSEC)
#define ANSWER_USEC (3 * USEC_PER_SEC)

/* Its clients' caches are of the old data, so they begin anew too. */
static const char *const api_pods[] = { "kube-apiserver", "kube-controller-manager", "kube-scheduler" };

/* ---- where data lies ----
 * All below the data directory itself, since that is often a file system of its own and cannot be renamed. */

#define MEMBER    "member"
#define RESTORING "restore-"

static char *data_path(const struct restore *restore, const char *name, const char *suffix)
{
        _cleanup_free_ char *directory = path_under(restore->root, restore->journal.data_dir);
        char *path;

        if (!directory || asprintf(&path, "%s/%s%s", directory, name, suffix) < 0)
                return NULL;
        return path;
}

static int sync_data_directory(const struct restore *restore)
{
        _cleanup_free_ char *directory = path_under(restore->root, restore->journal.data_dir);
        _cleanup_close_ int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;

        if (!directory)
                return -ENOMEM;
        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
        (void)st;
        (void)kind;
        (void)at;
        return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_tree(const char *path)
{
        if (access(path, F_OK) < 0)
                return errno == ENOENT ? 0 : -errno;
        return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- waiting ---- */

static void pause_between_looks(void)
{
        usleep((useconds_t)LOOK_USEC);
}

/* Whoever has the database open holds bbolt's lock on it (go.etcd.io/bbolt: bolt_unix.go), in whatever
 * container; only that it is free proves that nobody writes. */
static bool database_is_locked(const struct restore *restore)
{
        _cleanup_free_ char *path = data_path(restore, MEMBER, "/snap/db");
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;

        return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* The containers too: between two starts of one that crashes the lock is free, until the kubelet has taken
 * its pod away. */
static bool pod_is_gone(const struct restore *restore, const char *pod)
{
        return !container_pod_runs(restore->root, pod) &&
               (strcmp(pod, "etcd") != 0 || !database_is_locked(restore));
}

static int stop_pod(const struct restore *restore, const char *pod)
{
        uint64_t deadline = now_boottime_usec() + STOP_USEC;
        int r;

        r = static_manifest_withdraw(restore->root, pod);
        if (r < 0)
                return failure_set(restore->failure, r, "ManifestNotMoved",
                                   "cannot move %s.yaml out of " STATIC_MANIFESTS ": %s", pod, strerror(-r));
        while (!pod_is_gone(restore, pod)) {
                if (now_boottime_usec() > deadline)
                        return failure_set(
                                restore->failure, -ETIMEDOUT, "PodStillRuns",
                                "%s still runs three minutes after its manifest was moved away; does "
                                "the kubelet run? systemctl status kubelet",
                                pod);
                pause_between_looks();
        }
        return 0;
}

static int return_pod(const struct restore *restore, const char *pod)
{
        int r = static_manifest_return(restore->root, pod);

        if (r < 0)
                return failure_set(restore->failure, r, "ManifestNotMoved",
                                   "cannot move %s.yaml back to " STATIC_MANIFESTS ": %s", pod, strerror(-r));
        return 0;
}

static int start_etcd(struct restore *restore)
{
        uint64_t deadline = now_boottime_usec() + START_USEC;
        int r;

        r = return_pod(restore, "etcd");
        if (r < 0)
                return r;
        for (;;) {
                _cleanup_failure_ why = {};

                r = etcd_ask_health(&restore->peer, ANSWER_USEC, &why);
                if (r >= 0)
                        return 0;
                if (now_boottime_usec() > deadline)
                        return failure_set(
                                restore->failure, r, "EtcdDoesNotStart",
                                "etcd has not become healthy within five minutes: %s; see its log: "
                                "crictl logs $(crictl ps -a -q --name etcd | head -n 1)",
                                why.message ?: strerror(-r));
                pause_between_looks();
        }
}

/* ---- the API server ---- */

struct probe {
        bool done, live;
};

static void on_probe_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct probe *probe = userdata;

        probe->done = true;
        probe->live = error >= 0 && http_status(transfer) == 200;
}

static bool probe_api_server(const char *url, const char *ca_file)
{
        _cleanup_(http_client_freep) struct http_client *http = NULL;
        struct probe probe = {};
        sd_event *event = NULL;
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = http_client_new(event, &http);
        if (r >= 0)
                r = http_start(http,
                               &(struct http_request){ .method = "GET",
                                                       .url = url,
                                                       .ca_file = ca_file,
                                                       .timeout_usec = ANSWER_USEC,
                                                       .userdata = &probe },
                               on_probe_done, NULL);
        while (r >= 0 && !probe.done)
                r = sd_event_run(event, UINT64_MAX);
        http = http_client_free(http);
        sd_event_unref(event);
        return probe.live;
}

/* kubeadm's own readiness check (kubernetes: cmd/kubeadm/app/phases/controlplane/manifests.go). */
static int wait_for_api_server(const struct restore *restore)
{
        _cleanup_free_ char *manifest = NULL, *address = NULL, *port = NULL, *url = NULL,
                            *ca = path_under(restore->root, "/etc/kubernetes/pki/ca.crt");
        uint64_t deadline = now_boottime_usec() + START_USEC;
        const char *open = "", *close = "";
        int r;

        r = static_manifest_read(restore->root, "kube-apiserver", &manifest);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        address = static_manifest_flag(manifest, "advertise-address");
        port = static_manifest_flag(manifest, "secure-port");
        if (address && strchr(address, ':'))
                open = "[", close = "]";
        if (!ca || asprintf(&url, "https://%s%s%s:%s/livez", open, address ?: "127.0.0.1", close,
                            port ?: "6443") < 0) {
                url = NULL;
                return -ENOMEM;
        }
        while (!probe_api_server(url, ca)) {
                if (now_boottime_usec() > deadline)
                        return failure_set(
                                restore->failure, -ETIMEDOUT, "ApiServerDoesNotStart",
                                "etcd is restored and healthy, but %s has not answered 200 within five "
                                "minutes; see: crictl logs $(crictl ps -a -q --name kube-apiserver | "
                                "head -n 1)",
                                url);
                pause_between_looks();
        }
        return 0;
}

/* ---- the steps ---- */

static int do_stop_api_server(struct restore *restore)
{
        struct etcd_status status = {};
        int r;

        /* While it still answers; what is written after it, the floor's slack has room for. */
        if (restore->journal.seen_revision == 0 &&
            etcd_ask_status(&restore->peer, ANSWER_USEC, &status, NULL) >= 0) {
                restore->journal.seen_revision = status.revision;
                r = restore_journal_save(restore->state_dir, &restore->journal);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ELEMENTS(api_pods); i++) {
                r = static_manifest_withdraw(restore->root, api_pods[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ELEMENTS(api_pods); i++) {
                r = stop_pod(restore, api_pods[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int return_api_pods(struct restore *restore)
{
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(api_pods) && r >= 0; i++)
                r = return_pod(restore, api_pods[i]);
        return r;
}

static int do_start_api_server(struct restore *restore)
{
        int r = return_api_pods(restore);

        return r < 0 ? r : wait_for_api_server(restore);
}

static int do_stop_etcd(struct restore *restore)
{
        return stop_pod(restore, "etcd");
}

/* The last revision that the old database has; 0 when there is none that can be read, which may be why it is
 * replaced. */
static int64_t old_revision(const struct restore *restore)
{
        _cleanup_free_ char *path = data_path(restore, MEMBER, "/snap/db");
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
        struct etcd_database database;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 ||
            etcd_database_read(fd, (uint64_t)st.st_size, NULL, &database, NULL) < 0)
                return 0;
        return database.revision;
}

static int do_measure(struct restore *restore)
{
        struct restore_journal *journal = &restore->journal;
        int64_t seen = old_revision(restore);

        if (journal->seen_revision > seen)
                seen = journal->seen_revision;
        return revision_journal_floor(restore->state_dir, journal->cluster_id, journal->snapshot_revision,
                                      seen, now_realtime_usec(), &journal->floor, &journal->bump);
}

static int do_keep_data(struct restore *restore)
{
        _cleanup_free_ char *member = data_path(restore, MEMBER, ""),
                            *kept = data_path(restore, RESTORE_KEPT_PREFIX, restore->journal.id);

        if (!member || !kept)
                return -ENOMEM;
        if (access(kept, F_OK) == 0)
                return 0;
        /* A node that has no data keeps that: an empty directory, which etcd takes for none. */
        if (rename(member, kept) < 0 && (errno != ENOENT || mkdir(kept, 0700) < 0))
                return failure_set(restore->failure, -errno, "DataNotKept", "cannot rename %s: %s", member,
                                   strerror(errno));
        return sync_data_directory(restore);
}

static int undo_keep_data(struct restore *restore)
{
        _cleanup_free_ char *member = data_path(restore, MEMBER, ""),
                            *kept = data_path(restore, RESTORE_KEPT_PREFIX, restore->journal.id);
        int r;

        if (!member || !kept)
                return -ENOMEM;
        if (access(kept, F_OK) < 0)
                return 0; /* it was not moved, or is back already */
        r = remove_tree(member);
        if (r < 0)
                return r;
        if (rename(kept, member) < 0)
                return failure_set(restore->failure, -errno, "DataNotKept", "cannot rename %s back: %s", kept,
                                   strerror(errno));
        return sync_data_directory(restore);
}

/* etcd's program says what it did in lines of JSON or text; the last one is the reason. */
static const char *last_line(char *text)
{
        size_t size = strlen(text);
        char *line;

        while (size > 0 && text[size - 1] == '\n')
                text[--size] = '\0';
        line = strrchr(text, '\n');
        return line ? line + 1 : text;
}

static int run_tool(struct restore *restore, const char *directory)
{
        const struct restore_journal *journal = &restore->journal;
        _cleanup_free_ char *snapshot = restore_path(restore->state_dir, RESTORE_SNAPSHOT_FILE), *data = NULL,
                            *name = NULL, *cluster = NULL, *peers = NULL, *token = NULL, *bump = NULL,
                            *output = NULL;
        int status, r;

        if (!snapshot || asprintf(&data, "--data-dir=%s", directory) < 0 ||
            asprintf(&name, "--name=%s", journal->member) < 0 ||
            asprintf(&cluster, "--initial-cluster=%s=%s", journal->member, journal->peer_url) < 0 ||
            asprintf(&peers, "--initial-advertise-peer-urls=%s", journal->peer_url) < 0 ||
            asprintf(&token, "--initial-cluster-token=%s", journal->token) < 0 ||
            asprintf(&bump, "--bump-revision=%" PRId64, journal->bump) < 0)
                return -ENOMEM;
        r = etcd_tool_run(&restore->tool,
                          (const char *[]){ "snapshot", "restore", snapshot, data, name, cluster, peers,
                                            token, restore->tool.bumps ? bump : NULL, "--mark-compacted",
                                            NULL },
                          &status, &output);
        if (r >= 0 && status != 0)
                r = -EIO;
        if (r < 0)
                return failure_set(restore->failure, r, "RestoreToolFailed", "%s snapshot restore: %s",
                                   restore->tool.path, output ? last_line(output) : strerror(-r));
        return 0;
}

static int do_restore_data(struct restore *restore)
{
        _cleanup_free_ char *member = data_path(restore, MEMBER, ""),
                            *directory = data_path(restore, RESTORING, restore->journal.id), *made = NULL;
        int r;

        if (!member || !directory || asprintf(&made, "%s/" MEMBER, directory) < 0) {
                made = NULL;
                return -ENOMEM;
        }
        if (access(member, F_OK) == 0)
                return 0; /* the old one was moved away, so this is the new one, whole */
        r = remove_tree(directory);
        if (r < 0)
                return r;
        r = run_tool(restore, directory);
        if (r < 0)
                return r;
        FAULT_POINT("restored-not-renamed");
        restore->journal.bumped = restore->tool.bumps;
        r = restore_journal_save(restore->state_dir, &restore->journal);
        if (r < 0)
                return r;
        sync(); /* etcd's program does not; a power cut shall not leave a name without its content */
        if (rename(made, member) < 0)
                return -errno;
        (void)remove_tree(directory);
        return sync_data_directory(restore);
}

static int undo_restore_data(struct restore *restore)
{
        _cleanup_free_ char *directory = data_path(restore, RESTORING, restore->journal.id);

        return directory ? remove_tree(directory) : -ENOMEM;
}

static int do_start_etcd(struct restore *restore)
{
        const struct restore_journal *journal = &restore->journal;
        struct etcd_status status;
        int r;

        r = start_etcd(restore);
        if (r >= 0)
                r = etcd_ask_status(&restore->peer, START_USEC, &status, restore->failure);
        if (r < 0)
                return r;
        if (status.revision < journal->snapshot_revision ||
            (journal->bumped && status.revision <= journal->floor))
                return failure_set(
                        restore->failure, -ERANGE, "RevisionTooLow",
                        "etcd is at revision %" PRId64 " after the restore, not beyond %" PRId64
                        ": controllers would not see that their data changed; abort, and try again",
                        status.revision, journal->bumped ? journal->floor : journal->snapshot_revision);
        return revision_journal_add(restore->state_dir,
                                    &(struct revision_mark){ .realtime_usec = now_realtime_usec(),
                                                             .cluster_id = status.cluster_id,
                                                             .revision = status.revision,
                                                             .raft_index = status.raft_index });
}

/* Leases of API servers that are gone stay in the service "kubernetes" for ever after a restore
 * (kubernetes/kubernetes 86812); those that run write theirs anew. */
static int do_remove_leases(struct restore *restore)
{
        _cleanup_free_ char *prefix = NULL;
        int64_t deleted;

        if (asprintf(&prefix, "%s/masterleases/", restore->journal.prefix) < 0) {
                prefix = NULL;
                return -ENOMEM;
        }
        return etcd_delete_prefix(&restore->peer, prefix, &deleted, restore->failure);
}

static int do_clean_up(struct restore *restore)
{
        _cleanup_free_ char *snapshot = restore_path(restore->state_dir, RESTORE_SNAPSHOT_FILE),
                            *aside = path_under(restore->root, STATIC_MANIFESTS_ASIDE);

        if (!snapshot || !aside)
                return -ENOMEM;
        (void)rmdir(aside);
        return unlink(snapshot) < 0 && errno != ENOENT ? -errno : 0;
}

/* What ran badly before the restore may run badly after it was taken back: that is no reason to stop here. */
static int undo_stop_etcd(struct restore *restore)
{
        return return_pod(restore, "etcd");
}

static int undo_stop_api_server(struct restore *restore)
{
        return return_api_pods(restore);
}

/* Taken back from the last to the first: what was started is stopped, data goes back, what was stopped is
 * started. */
static const struct step {
        const char *name, *summary;
        int (*act)(struct restore *restore);
        int (*undo)(struct restore *restore); /* NULL: nothing */
} steps[] = {
        { "stop-apiserver", "Stop the API server, controller manager and scheduler", do_stop_api_server,
          undo_stop_api_server },
        { "stop-etcd", "Stop etcd", do_stop_etcd, undo_stop_etcd },
        { "measure", "Find the revision to go beyond", do_measure, NULL },
        { "keep-data", "Put the old data aside", do_keep_data, undo_keep_data },
        { "restore-data", "Make the new data directory from the copy", do_restore_data, undo_restore_data },
        { "start-etcd", "Start etcd, and check its health and revision", do_start_etcd, do_stop_etcd },
        { "remove-leases", "Remove leases of API servers that are gone", do_remove_leases, NULL },
        { "start-apiserver", "Start the API server, controller manager and scheduler", do_start_api_server,
          do_stop_api_server },
        { "clean-up", "Remove what was needed meanwhile", do_clean_up, do_clean_up },
};

const char *restore_step_name(size_t i)
{
        return i < ELEMENTS(steps) ? steps[i].name : NULL;
}

const char *restore_step_summary(size_t i)
{
        return i < ELEMENTS(steps) ? steps[i].summary : NULL;
}

static int failed(struct restore *restore, const struct step *step, int error)
{
        if (!restore->failure->reason)
                (void)failure_set(restore->failure, error, "RestoreFailed", "%s", strerror(-error));
        failure_prefix(restore->failure, "%s", step->name);
        return error;
}

static void kill_point(const struct step *step, const char *where)
{
        char name[64];

        (void)snprintf(name, sizeof(name), "%s-%s", where, step->name);
        FAULT_POINT(name);
}

int restore_run(struct restore *restore)
{
        struct restore_journal *journal = &restore->journal;
        int r;

        if (!restore->tool_found) {
                r = etcd_tool_find_restorer(restore->state_dir, journal->tag, &restore->tool,
                                            restore->failure);
                if (r < 0)
                        return r;
                restore->tool_found = true;
        }
        for (size_t i = (size_t)journal->completed; i < ELEMENTS(steps); i++) {
                printf("[%zu/%zu] %s\n", i + 1, ELEMENTS(steps), steps[i].summary);
                (void)fflush(stdout);
                kill_point(&steps[i], "before");
                r = steps[i].act(restore);
                kill_point(&steps[i], "after");
                if (r < 0)
                        return failed(restore, &steps[i], r);
                journal->completed = (int64_t)i + 1;
                r = restore_journal_save(restore->state_dir, journal);
                if (r < 0)
                        return failed(restore, &steps[i], r);
        }
        return restore_journal_remove(restore->state_dir);
}

int restore_abort(struct restore *restore)
{
        struct restore_journal *journal = &restore->journal;
        /* The step that was cut off, if any, may be half done. */
        size_t begun = (size_t)journal->completed + 1;
        int r;

        journal->aborting = true;
        r = restore_journal_save(restore->state_dir, journal);
        if (r < 0)
                return r;
        for (size_t i = begun < ELEMENTS(steps) ? begun : ELEMENTS(steps); i-- > 0;) {
                if (!steps[i].undo)
                        continue;
                printf("Taking back: %s\n", steps[i].summary);
                (void)fflush(stdout);
                kill_point(&steps[i], "undo");
                r = steps[i].undo(restore);
                if (r < 0)
                        return failed(restore, &steps[i], r);
        }
        r = do_clean_up(restore);
        return r < 0 ? r : restore_journal_remove(restore->state_dir);
}
