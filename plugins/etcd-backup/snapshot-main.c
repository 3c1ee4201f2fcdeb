/* SPDX-License-Identifier: Apache-2.0 */

/* etcd-snapshot: takes one snapshot and ends. capi-node-etcd-snapshot.service runs it on its timer, and
 * `capi-node etcd-backup snapshot` by hand. It is apart from the resident plugin because of libcurl, and
 * because long work is no resident's (it may block). */

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "delivery.h"
#include "etcd-tool.h"
#include "last-run.h"
#include "lock.h"
#include "log.h"
#include "prune-command.h"
#include "quantity.h"
#include "snapshot.h"
#include "source-hash.h"
#include "static-manifests.h"
#include "target-commands.h"

/* The help is that of the command that people type. */
static const struct program program = { .name = "capi-node etcd-backup" };

/* What else uses the network, for the resident program to run (`capi-node etcd-backup COMMAND`). */
static const struct command commands[] = {
        { "list", "--all [--json]", target_run_list, "Show the copies of all nodes at every target" },
        { "prune", "[--dry-run] [--target NAME] [--json]", prune_run, "Remove what the retention gives up" },
        { "verify", "--target NAME [COPY] [--identity FILE] [--json]", target_run_verify,
          "Fetch a copy and prove it" },
        {},
};

struct arguments {
        const char *root;
        bool scheduled; /* by the timer: a run that is under way already is as good as this one */
};

/* Returns 0 or an exit status. */
static int parse_arguments(int argc, char *argv[], struct arguments *arguments)
{
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--scheduled") != 0)
                        return usage_error(&program,
                                           "unknown argument %s; known are --root DIR and --scheduled",
                                           argv[i]);
                arguments->scheduled = true;
        }
        return 0;
}

static int block_signals(void)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN); /* as -EFBIG it has a message */
        return sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : 0;
}

static void log_success(const struct snapshot_result *result, uint64_t duration_usec, char *summary,
                        size_t size)
{
        char raw[QUANTITY_SIZE], stored[QUANTITY_SIZE], took[QUANTITY_SIZE];
        const struct manifest *manifest = result->manifest;
        const char *remark = result->remark.message;

        (void)snprintf(summary, size,
                       "took %s: revision %" PRId64 ", %s, stored and verified as %s, in %s%s%s%s",
                       manifest->stored_file, manifest->revision, size_format_human(manifest->db_size, raw),
                       size_format_human(manifest->stored_size, stored),
                       duration_format_human(duration_usec / 1000 * 1000, took),
                       result->confirmed ? "" : "; etcd went away behind the last byte, whose hash is right",
                       remark ? "; " : "", remark ?: "");
        log_message(result->confirmed && !remark ? LOG_NOTICE : LOG_WARNING, MESSAGE_SNAPSHOT_TAKEN,
                    "Snapshot: %s", summary);
        if (result->pruned > 0)
                log_message(LOG_NOTICE, MESSAGE_SNAPSHOT_PRUNED, "Removed %u older cop%s by retention",
                            result->pruned, result->pruned == 1 ? "y" : "ies");
}

/* Each target that got no copy. The first one's failure stands for the run. */
static void take_target_failures(const struct snapshot_result *result, struct failure *failure)
{
        for (size_t i = 0; i < result->count; i++) {
                const struct failure *found = &result->destinations[i].failure;

                if (!destination_failed(&result->destinations[i]))
                        continue;
                log_message(LOG_ERR, MESSAGE_SNAPSHOT_FAILED, "%s", found->message);
                if (!failure->reason)
                        (void)failure_set(failure, 0, found->reason, "%s", found->message);
        }
}

/* What a person may be waiting for, said once when it begins and once when it ends. */
static void log_transitions(const struct last_run *before, const struct last_run *now)
{
        if (now->success && !before->success && before->runs > 0)
                log_message(LOG_NOTICE, MESSAGE_SNAPSHOTS_RESUMED,
                            "Snapshots succeed again; the last failed: %s", before->message);
        if (now->held && !before->held)
                log_message(LOG_WARNING, MESSAGE_RETENTION_HELD, "Retention: %s", now->held);
        if (now->success && !now->held && before->held)
                log_message(LOG_NOTICE, MESSAGE_RETENTION_RESUMED,
                            "Retention goes on: the clock is believed again");
}

/* The last list that etcd told stays, for what is pruned by hand. */
static const struct member_list *known_members(const struct last_run *before,
                                               const struct snapshot_result *result)
{
        return result->members.count > 0 ? &result->members : &before->members;
}

static int record(const char *state_dir, const struct last_run *before, const struct snapshot_result *result,
                  uint64_t duration_usec, const char *summary, struct failure *failure)
{
        struct last_run run = {
                .success = !failure->reason,
                .reason = failure->reason ?: (char *)"VerifiedCopyTaken",
                .message = failure->message ?: (char *)summary,
                .duration_usec = duration_usec,
                .runs = before->runs + 1,
                .failures = before->failures + (failure->reason ? 1 : 0),
                .reasons = before->reasons,
                .sequence = result->sequence > before->sequence ? result->sequence : before->sequence,
        };
        int r;

        run.held = result->held[0] ? (char *)result->held : run.success ? NULL : before->held;
        log_transitions(before, &run);
        memcpy(run.stage_usec, result->stage_usec, sizeof(run.stage_usec));
        if (failure->reason)
                failure_counts_add(&run.reasons, failure->reason);
        moment_now(&run.finished);
        r = member_list_copy(known_members(before, result), &run.members);
        if (r >= 0)
                r = last_run_save(state_dir, &run);
        member_list_clear(&run.members);
        if (r < 0)
                return log_error(r, "Cannot write %s/%s", state_dir, LAST_RUN_FILE);
        return 0;
}

/* While etcd runs: a restore needs its programs when it does not. */
static void keep_tools(const char *root, const char *state_dir)
{
        _cleanup_free_ char *manifest = NULL, *tag = NULL;
        int r;

        if (static_manifest_read(root, "etcd", &manifest) < 0)
                return;
        tag = static_manifest_image_tag(manifest);
        r = tag ? etcd_tools_keep(root, state_dir, tag) : -ENOENT;
        if (r < 0 && r != -ENOENT)
                log_info("Cannot keep etcd's programs in %s/tools: %s", state_dir, strerror(-r));
}

/* For a later drill and restore. The copy is good without. */
static void record_source(const char *root, const char *state_dir, const struct backup_config *config,
                          const struct manifest *manifest)
{
        int r = source_hash_record(root, state_dir, &config->etcd, manifest);

        if (r < 0)
                log_info("The member's own hash at revision %" PRId64 " is not known: %s", manifest->revision,
                         strerror(-r));
        keep_tools(root, state_dir);
}

/* Before the run itself, whose record makes the resident part look. */
static void record_targets(const char *state_dir, const struct snapshot_result *result)
{
        for (size_t i = 0; i < result->count; i++) {
                int r = destination_record(&result->destinations[i], state_dir);

                if (r < 0)
                        log_error(r, "Cannot write down what was seen at target %s",
                                  result->destinations[i].target->name);
        }
}

static int take_and_record(const char *root, const char *state_dir, const struct backup_config *config)
{
        _cleanup_snapshot_result_ result = {};
        _cleanup_failure_ failure = {};
        _cleanup_last_run_ before = {};
        char node[NODE_NAME_SIZE], summary[1024] = "";
        struct moment started, finished;
        int r;

        (void)last_run_load(state_dir,
                            &before); /* an unreadable one is replaced; the copies know their sequence */
        moment_now(&started);
        r = snapshot_take(&(struct snapshot_request){ .config = config,
                                                      .root = root,
                                                      .state_dir = state_dir,
                                                      .node = node_name(node),
                                                      .sequence = before.sequence },
                          &result, &failure);
        moment_now(&finished);

        if (r >= 0) {
                log_success(&result, finished.boottime_usec - started.boottime_usec, summary,
                            sizeof(summary));
                take_target_failures(&result, &failure);
                record_source(root, state_dir, config, result.manifest);
        } else {
                log_message(LOG_ERR, MESSAGE_SNAPSHOT_FAILED, "No snapshot: %s", failure.message);
        }
        record_targets(state_dir, &result);
        r = record(state_dir, &before, &result, finished.boottime_usec - started.boottime_usec, summary,
                   &failure);
        return r < 0 || failure.reason ? EXIT_UNHEALTHY : EXIT_GOOD;
}

static int run_locked(const struct arguments *arguments, const char *state_dir)
{
        _cleanup_close_ int lock = -EBADF;
        struct backup_config *config = NULL;
        _cleanup_failure_ failure = {};
        char who[LOCK_WHO_SIZE];
        int r;

        r = backup_config_load(arguments->root, &config, &failure);
        if (r < 0) {
                log_message(LOG_ERR, MESSAGE_SNAPSHOT_FAILED, "No snapshot: %s",
                            failure.message ?: strerror(-r));
                return EXIT_CONFIGURATION;
        }

        r = directory_make(state_dir, 0700);
        if (r >= 0)
                r = lock_take(state_dir, "snapshot", &lock, who);
        if (r == -EBUSY || r == -EALREADY) {
                log_message(arguments->scheduled ? LOG_NOTICE : LOG_ERR, MESSAGE_MEMBER_BUSY, "Not now: %s",
                            who);
                r = arguments->scheduled ? EXIT_GOOD : EXIT_UNHEALTHY;
        } else if (r < 0) {
                log_message(LOG_ERR, MESSAGE_SNAPSHOT_FAILED, "No snapshot: cannot lock %s/lock: %s",
                            state_dir, strerror(-r));
                r = EXIT_UNHEALTHY;
        } else {
                r = take_and_record(arguments->root, state_dir, config);
        }

        config_free(&backup_config_type, config);
        return r;
}

int main(int argc, char *argv[])
{
        _cleanup_free_ char *state_dir = NULL;
        static const struct command *const tables[] = { commands, NULL };
        struct arguments arguments = { .root = "/" };
        int r;

        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                puts("etcd-snapshot - take one snapshot now, as `capi-node etcd-backup snapshot` does\n\n"
                     "  --root DIR    take every path below DIR (for tests)\n"
                     "  --scheduled   succeed at once while another run is under way (the timer's)");
                return EXIT_GOOD;
        }
        umask(0077);
        log_open("etcd-snapshot");
        r = take_root(&program, &argc, argv, &arguments.root);
        if (r != 0)
                return r;
        if (argc > 1 && argv[1][0] != '-')
                return command_run(&program, tables, argc - 1, argv + 1, (void *)arguments.root);
        r = parse_arguments(argc, argv, &arguments);
        if (r != 0)
                return r;
        r = block_signals();
        if (r < 0)
                return EXIT_UNHEALTHY;
        state_dir = path_under(arguments.root, BACKUP_STATE_DIR);
        if (!state_dir)
                return EXIT_UNHEALTHY;
        return run_locked(&arguments, state_dir);
}
