/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd.h"

#include <math.h>
#include <string.h>

#include "files.h"
#include "http-probe.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "report.h"
#include "static-pod.h"
#include "timestamp.h"

#define PAGE_KEPT_USEC           (2 * USEC_PER_SEC)
#define PAGE_MAX                 (4 * 1024 * 1024)
#define LEADER_WINDOW_USEC       (15 * USEC_PER_MIN) /* etcd-mixin: etcdHighNumberOfLeaderChanges */
#define LEADER_CHANGES_MAX       4
#define FRAGMENTATION_MIN_BYTES  (100.0 * 1024 * 1024) /* etcd-mixin: etcdDatabaseHighFragmentationRatio */
#define FRAGMENTATION_MIN_IN_USE 0.5
#define COMMIT_WARN_SECONDS      0.25 /* etcd-mixin: etcdHighCommitDurations */
#define MAINTENANCE_REPORT       "/run/capi-node-agent/reports/etcd-maintenance.json"

static const struct http_service service = {
        .name = "etcd",
        .prefix = "Etcd",
        .remedy = "look at /etc/kubernetes/manifests/etcd.yaml and /var/log/pods/kube-system_etcd*",
};

/* ---- asking ---- */

/* The first of --listen-metrics-urls; while the manifest is away, what kubeadm sets. */
static int ask(struct check_run *run, const char *path, http_done_fn done,
               int (*on_body)(struct http_transfer *, const void *, size_t, void *))
{
        char base[STATIC_POD_VALUE_SIZE], url[STATIC_POD_VALUE_SIZE + 16];
        struct http_request request = { .method = "GET", .url = url, .on_body = on_body };
        const char *manifest;

        if (kept_static_pod_read(&run->node->files, run->node->root, "etcd", &manifest) < 0 ||
            !static_pod_argument(manifest, "listen-metrics-urls", base))
                (void)snprintf(base, sizeof(base), "http://127.0.0.1:2381");
        base[strcspn(base, ",")] = '\0';
        (void)snprintf(url, sizeof(url), "%s%s", base, path);
        return http_probe_start(run, &request, done);
}

/* Its own, from the first time on. */
static struct etcd_page *page_of(struct check_run *run)
{
        struct etcd_reader *reader = run->node->etcd.readers;

        while (reader->run && reader->run != run)
                reader++;
        reader->run = run;
        return &reader->page;
}

static int on_page(struct http_transfer *transfer, const void *data, size_t size, void *userdata)
{
        struct etcd_page *page = page_of(userdata);

        (void)transfer;
        if (size > PAGE_MAX - page->size)
                return -EFBIG;
        etcd_page_feed(page, data, size);
        return 0;
}

static int ask_metrics(struct check_run *run, http_done_fn done)
{
        etcd_page_begin(page_of(run));
        return ask(run, "/metrics", done, on_page);
}

/* The page of metrics into the watch. Returns true, or false after the run has ended: that etcd does not
 * answer is what the row `etcd` fails for. */
static bool take_page(struct check_run *run, struct http_transfer *transfer, int error)
{
        struct etcd_watch *watch = &run->node->etcd;
        struct check_result result;

        if (error >= 0 && http_status(transfer) == 200) {
                etcd_page_end(page_of(run));
                watch->metrics = page_of(run)->metrics;
                watch->measured = true;
                watch->measured_usec = now_boottime_usec();
                return true;
        }
        watch->measured = false;
        check_result_set(&result, CHECK_UNKNOWN, "EtcdMetricsMissing", "etcd does not tell its metrics (%s)",
                         error < 0 ? http_error_text(transfer) : "an HTTP error");
        check_finish(run, &result);
        return false;
}

/* ---- etcd: is it healthy? ---- */

/* /health names the reason from 3.5 on; before it has only true and false. */
static void judge_health(const char *body, struct check_result *ret)
{
        _cleanup_json_ json_object *object = NULL;
        const char *health = NULL, *reason = "";

        if (json_parse(body, strlen(body), &object, NULL) >= 0 && object) {
                health = json_string(object, "health");
                reason = json_string(object, "reason") ?: "";
        }
        if (health && strcmp(health, "true") == 0)
                check_result_set(ret, CHECK_OK, "EtcdAnswers", "etcd is healthy");
        else if (strstr(reason, "NOSPACE"))
                check_result_set(
                        ret, CHECK_FAIL, "EtcdAlarmNoSpace",
                        "etcd has reached its quota and refuses to write; compact and defragment it, then: "
                        "etcdctl alarm disarm");
        else if (strstr(reason, "CORRUPT"))
                check_result_set(
                        ret, CHECK_FAIL, "EtcdAlarmCorrupt",
                        "etcd's members disagree about the data; replace this one, or restore a backup");
        else if (strstr(reason, "NO LEADER"))
                check_result_set(
                        ret, CHECK_FAIL, "EtcdNoLeader",
                        "etcd has no leader, so most members are lost or do not reach each other; %s",
                        service.remedy);
        else
                check_result_set(ret, CHECK_FAIL, "EtcdUnhealthy",
                                 "etcd says that it is not healthy (%.100s); %s",
                                 reason[0] ? reason : "no reason given", service.remedy);
}

static void on_health(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_result result;

        /* 503 comes with the same document. */
        if (error < 0)
                http_probe_judge(&service, transfer, error, &result);
        else
                judge_health(http_body(transfer, NULL), &result);
        check_finish(userdata, &result);
}

int etcd_start(struct check_run *run)
{
        return ask(run, "/health", on_health, NULL);
}

/* ---- etcd-leader ---- */

/* How often the leader changed within the window. */
static double note_leader_changes(struct etcd_watch *watch, uint64_t now_usec)
{
        double now = watch->metrics.leader_changes, changes = 0;
        unsigned kept = watch->n_samples < ETCD_SAMPLES_MAX ? watch->n_samples : ETCD_SAMPLES_MAX;

        for (unsigned i = 0; i < kept; i++)
                if (now_usec - watch->samples[i].usec <= LEADER_WINDOW_USEC &&
                    now - watch->samples[i].leader_changes > changes)
                        changes = now - watch->samples[i].leader_changes;
        if (isnan(now))
                return 0;
        watch->samples[watch->n_samples % ETCD_SAMPLES_MAX].usec = now_usec;
        watch->samples[watch->n_samples++ % ETCD_SAMPLES_MAX].leader_changes = now;
        return changes;
}

static void on_leader(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        struct check_result result;
        double changes;

        if (!take_page(run, transfer, error))
                return;
        changes = note_leader_changes(&run->node->etcd, now_boottime_usec());
        if (run->node->etcd.metrics.has_leader == 0)
                check_result_set(
                        &result, CHECK_FAIL, "EtcdNoLeader",
                        "etcd has no leader, so most members are lost or do not reach each other; %s",
                        service.remedy);
        else if (isnan(run->node->etcd.metrics.has_leader))
                check_result_set(&result, CHECK_UNKNOWN, "EtcdMetricsMissing",
                                 "etcd does not tell whether it has a leader");
        else if (changes >= LEADER_CHANGES_MAX)
                check_result_set(
                        &result, CHECK_WARN, "EtcdLeaderChangesOften",
                        "etcd's leader changed %.0f times within 15 minutes; look for slow disks and lost "
                        "packets between the control plane's nodes",
                        changes);
        else
                check_result_set(&result, CHECK_OK, "EtcdHasLeader", "etcd has a leader");
        result.value = changes;
        result.threshold = LEADER_CHANGES_MAX;
        check_finish(run, &result);
}

int etcd_leader_start(struct check_run *run)
{
        return ask_metrics(run, on_leader);
}

/* ---- etcd-database ---- */

static void judge_database(const struct etcd_metrics *metrics, const struct database_config *limits,
                           struct check_result *ret)
{
        double used = metrics->database_bytes / metrics->quota_bytes;
        double in_use = metrics->database_in_use_bytes / metrics->database_bytes;

        if (isnan(used)) {
                check_result_set(ret, CHECK_UNKNOWN, "EtcdMetricsMissing",
                                 "etcd does not tell the size of its database");
                return;
        }
        if (used >= limits->fail)
                check_result_set(ret, CHECK_FAIL, "EtcdDatabaseFull",
                                 "etcd's database fills %.0f%% of its quota and will soon refuse to write; "
                                 "defragment it, or raise --quota-backend-bytes",
                                 used * 100);
        else if (used >= limits->warn)
                check_result_set(ret, CHECK_WARN, "EtcdDatabaseLarge",
                                 "etcd's database fills %.0f%% of its quota; defragment it, or raise "
                                 "--quota-backend-bytes",
                                 used * 100);
        else if (metrics->database_bytes > FRAGMENTATION_MIN_BYTES && in_use < FRAGMENTATION_MIN_IN_USE)
                check_result_set(ret, CHECK_WARN, "EtcdDatabaseFragmented",
                                 "only %.0f%% of etcd's database of %.0f MiB is in use; defragment it",
                                 in_use * 100, metrics->database_bytes / (1024 * 1024));
        else
                check_result_set(ret, CHECK_OK, "EtcdDatabaseFits", "etcd's database fits its quota");
        ret->value = used;
        ret->threshold = used >= limits->fail ? limits->fail : limits->warn;
}

/* The page is 150 KB, and the row before this one has often just read it. */
static bool is_fresh(const struct etcd_watch *watch)
{
        return watch->measured && now_boottime_usec() - watch->measured_usec < PAGE_KEPT_USEC;
}

static void finish_database(struct check_run *run)
{
        struct check_result result;

        judge_database(&run->node->etcd.metrics, &run->node->config->checks.etcd_database, &result);
        check_finish(run, &result);
}

static void on_database(struct http_transfer *transfer, int error, void *userdata)
{
        if (take_page(userdata, transfer, error))
                finish_database(userdata);
}

int etcd_database_start(struct check_run *run)
{
        if (!is_fresh(&run->node->etcd))
                return ask_metrics(run, on_database);
        finish_database(run);
        return 0;
}

int etcd_database_metrics(const struct node *node, json_object *metrics)
{
        const struct etcd_metrics *etcd = &node->etcd.metrics;
        int r = 0;

        if (!node->etcd.measured || isnan(etcd->database_bytes) || isnan(etcd->quota_bytes))
                return 0;
        r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "etcd_database_bytes",
                       "Size of etcd's database.", etcd->database_bytes, NULL);
        if (r >= 0 && !isnan(etcd->database_in_use_bytes))
                r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "etcd_database_in_use_bytes",
                               "What of etcd's database is in use.", etcd->database_in_use_bytes, NULL);
        return r < 0 ? r
                     : metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "etcd_quota_bytes",
                                  "The size at which etcd refuses to write.", etcd->quota_bytes, NULL);
}

/* ---- etcd-latency ---- */

static void judge_latency(const struct etcd_watch *watch, const struct latency_config *limits,
                          struct check_result *ret)
{
        double fsync = watch->wal_fsync_p99_seconds, commit = watch->backend_commit_p99_seconds;
        double warn = (double)limits->warn_usec / (double)USEC_PER_SEC;
        double fail = (double)limits->fail_usec / (double)USEC_PER_SEC;

        if (fsync > fail || fsync > warn)
                check_result_set(ret, fsync > fail ? CHECK_FAIL : CHECK_WARN, "EtcdDiskSlow",
                                 "1 of 100 writes of etcd's log took %.0f ms or more to reach the disk; give "
                                 "/var/lib/etcd a faster one, or look for who else loads it",
                                 fsync * 1000);
        else if (commit > COMMIT_WARN_SECONDS)
                check_result_set(
                        ret, CHECK_WARN, "EtcdDiskSlow",
                        "1 of 100 commits to etcd's database took %.0f ms or more; give /var/lib/etcd a "
                        "faster disk, or look for who else loads it",
                        commit * 1000);
        else
                check_result_set(ret, CHECK_OK, "EtcdDiskFast", "etcd's disk is fast enough");
        ret->value = fsync;
        ret->threshold = fsync > fail ? fail : warn;
}

static void on_latency(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        struct etcd_watch *watch = &run->node->etcd;
        struct check_result result;

        if (!take_page(run, transfer, error))
                return;
        watch->wal_fsync_p99_seconds =
                etcd_histogram_quantile(&watch->wal_fsync_before, &watch->metrics.wal_fsync, 0.99);
        watch->backend_commit_p99_seconds =
                etcd_histogram_quantile(&watch->backend_commit_before, &watch->metrics.backend_commit, 0.99);
        watch->wal_fsync_before = watch->metrics.wal_fsync;
        watch->backend_commit_before = watch->metrics.backend_commit;
        judge_latency(watch, &run->node->config->checks.etcd_latency, &result);
        check_finish(run, &result);
}

int etcd_latency_start(struct check_run *run)
{
        return ask_metrics(run, on_latency);
}

static int add_quantile(json_object *metrics, const char *name, const char *help, double seconds)
{
        return isnan(seconds)
                       ? 0
                       : metric_add(metrics, METRIC_GAUGE, name, help, seconds, "quantile", "0.99", NULL);
}

int etcd_latency_metrics(const struct node *node, json_object *metrics)
{
        int r;

        r = add_quantile(metrics, METRIC_NAME_PREFIX "etcd_wal_fsync_seconds",
                         "How long etcd's log takes to reach the disk, between the last two looks.",
                         node->etcd.wal_fsync_p99_seconds);
        return r < 0 ? r
                     : add_quantile(metrics, METRIC_NAME_PREFIX "etcd_backend_commit_seconds",
                                    "How long a commit to etcd's database takes, between the last two looks.",
                                    node->etcd.backend_commit_p99_seconds);
}

/* ---- etcd-maintenance ---- */

/* What the plugin etcd-maintenance says of the member; the worst of its conditions, where there is one. */
static void judge_maintenance(const struct report *report, struct check_result *ret)
{
        check_result_set(ret, CHECK_OK, "EtcdMaintained", "etcd is maintained");
        for (size_t i = 0; i < report->n_conditions; i++) {
                const struct condition *condition = &report->conditions[i];
                enum check_status status = condition->severity == SEVERITY_FATAL ? CHECK_FAIL : CHECK_WARN;

                if (condition_healthy(condition) == 0 && status > ret->status)
                        check_result_set(ret, status, condition->reason, "%s", condition->message);
        }
}

/* As the agent counts it: from when the report was seen to change, on a clock that nobody sets. */
static bool is_silent(struct etcd_watch *watch, const struct report *report, uint64_t now_usec)
{
        if (report->generated_usec != watch->maintenance_generated_usec) {
                watch->maintenance_generated_usec = report->generated_usec;
                watch->maintenance_seen_usec = now_usec;
        }
        return now_usec - watch->maintenance_seen_usec > report->valid_for_usec;
}

int etcd_maintenance_start(struct check_run *run)
{
        _cleanup_free_ char *path = path_under(run->node->root, MAINTENANCE_REPORT);
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_failure_ failure = {};
        struct check_result result;
        int r;

        if (!path)
                return -ENOMEM;
        r = report_load(path, &report, &failure);
        if (r == -ENOENT) {
                check_finish_absent(run);
                return 0;
        }
        if (r < 0)
                return r;
        if (is_silent(&run->node->etcd, report, now_boottime_usec()))
                check_result_set(&result, CHECK_UNKNOWN, "MaintenanceSilent",
                                 "etcd-maintenance has not reported lately; look at: systemctl status "
                                 "capi-node-etcd-maintenance");
        else
                judge_maintenance(report, &result);
        check_finish(run, &result);
        return 0;
}
