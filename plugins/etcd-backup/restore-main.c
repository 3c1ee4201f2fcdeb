/* SPDX-License-Identifier: Apache-2.0 */

/* etcd-restore: brings this node's etcd back from a copy (`capi-node etcd-backup restore`), by hand only;
 * and, as `etcd-restore drill`, which capi-node-etcd-drill.service runs, proves that it could. */

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "copy-source.h"
#include "drill.h"
#include "files.h"
#include "kubeadm-upgrade.h"
#include "lock.h"
#include "log.h"
#include "quantity.h"
#include "restore-talk.h"
#include "restore.h"
#include "timestamp.h"

/* The delays of the timers of a node are always the same: a drill that met a snapshot would meet it each
 * week. */
#define DRILL_WAIT_SECONDS 600

static const struct program program = { .name = "capi-node etcd-backup" };

struct arguments {
        const char *root;
        const char *source, *target, *identity_file;
        bool drill, abort, dry_run, yes;
};

/* Returns 0 or an exit status. */
static int take_value(int argc, char *argv[], int *i, const char **ret)
{
        if (*i + 1 >= argc)
                return usage_error(&program, "%s needs a value", argv[*i]);
        *ret = argv[++*i];
        return 0;
}

static int parse_word(const char *word, struct arguments *arguments)
{
        if (strcmp(word, "--abort") == 0)
                arguments->abort = true;
        else if (strcmp(word, "--dry-run") == 0)
                arguments->dry_run = true;
        else if (strcmp(word, "--yes") == 0)
                arguments->yes = true;
        else if (word[0] == '-' || arguments->source)
                return usage_error(&program, "restore does not know \"%s\"", word);
        else
                arguments->source = word;
        return 0;
}

static int parse_arguments(int argc, char *argv[], struct arguments *arguments)
{
        int r = 0;

        for (int i = 1; i < argc && r == 0; i++) {
                if (strcmp(argv[i], "--root") == 0)
                        r = take_value(argc, argv, &i, &arguments->root);
                else if (strcmp(argv[i], "--target") == 0)
                        r = take_value(argc, argv, &i, &arguments->target);
                else if (strcmp(argv[i], "--identity") == 0)
                        r = take_value(argc, argv, &i, &arguments->identity_file);
                else if (strcmp(argv[i], "drill") == 0 && i == argc - 1 && !arguments->source)
                        arguments->drill = true;
                else
                        r = parse_word(argv[i], arguments);
        }
        if (r == 0 && arguments->root[0] != '/')
                r = usage_error(&program, "--root needs an absolute directory");
        if (r == 0 && arguments->abort && (arguments->source || arguments->dry_run))
                r = usage_error(&program, "restore --abort takes nothing else");
        return r;
}

static int load_means(const struct arguments *arguments, const struct restore *restore, bool encrypted,
                      struct proof_means *means)
{
        const char *file = restore->config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(restore->root, file) : NULL;
        int r = 0;

        means->scratch_dir = restore->state_dir;
        if (file)
                r = path ? authentication_key_load(path, &means->key, restore->failure) : -ENOMEM;
        if (r < 0 || !encrypted)
                return r;
        return arguments->identity_file
                       ? age_identities_load(arguments->identity_file, &means->identities, restore->failure)
                       : restore_ask_identity(&means->identities, restore->failure);
}

static int extract(struct restore *restore, const struct copy_source *source, const struct proof_means *means,
                   struct etcd_database *ret)
{
        _cleanup_free_ char *path = restore_path(restore->state_dir, RESTORE_SNAPSHOT_FILE),
                            *directory = restore_path(restore->state_dir, "");
        int r;

        if (!path || !directory)
                return -ENOMEM;
        r = directory_make(directory, 0700);
        if (r < 0)
                return r;
        (void)new_file_sweep(directory); /* of a run that was killed here */
        return copy_source_extract(source, means, path, ret, restore->failure);
}

/* Up to the journal nothing on the node is changed. */
static int begin(const struct arguments *arguments, struct restore *restore)
{
        _cleanup_copy_source_ source = COPY_SOURCE_NONE;
        _cleanup_proof_means_ means = {};
        struct etcd_database database;
        int r;

        r = copy_source_find(restore->config, restore->root, restore->state_dir, arguments->source,
                             arguments->target, NULL, &source, restore->failure);
        if (r >= 0)
                r = restore_preflight(restore, &source);
        if (r >= 0)
                r = load_means(arguments, restore, copy_is_encrypted(source.name), &means);
        if (r >= 0)
                r = arguments->dry_run ? copy_source_prove(&source, &means, &database, restore->failure)
                                       : extract(restore, &source, &means, &database);
        if (r < 0)
                return r;
        restore->journal.snapshot_revision = database.revision;
        restore->journal.argument = strdup(arguments->source);
        restore->journal.target = arguments->target ? strdup(arguments->target) : NULL;
        if (!restore->journal.argument || (arguments->target && !restore->journal.target))
                return -ENOMEM;
        restore_tell_plan(restore, source.manifest, &database);
        return arguments->dry_run ? 0 : restore_journal_save(restore->state_dir, &restore->journal);
}

static int consent(const struct arguments *arguments, const struct restore *restore)
{
        int r;

        if (arguments->yes || arguments->dry_run)
                return 0;
        r = restore_ask_consent(restore);
        if (r == -ENOTTY)
                return failure_set(restore->failure, r, "ConsentMissing",
                                   "nobody is here to be asked; scripts say --yes");
        if (r < 0)
                return failure_set(restore->failure, r, "Canceled", "nothing was done");
        return 0;
}

static int unfinished(const struct arguments *arguments, const struct restore *restore)
{
        const struct restore_journal *journal = &restore->journal;

        if (journal->aborting)
                return failure_set(
                        restore->failure, -EBUSY, "RestoreIsAborted",
                        "a restore is being taken back; finish that: capi-node etcd-backup restore "
                        "--abort");
        if (arguments->source && strcmp(arguments->source, journal->argument) != 0)
                return failure_set(
                        restore->failure, -EBUSY, "RestoreUnfinished",
                        "a restore of %s is unfinished; go on with it (capi-node etcd-backup restore), "
                        "or take it back first (restore --abort)",
                        journal->source);
        if (arguments->dry_run)
                return failure_set(restore->failure, -EBUSY, "RestoreUnfinished",
                                   "a restore of %s is unfinished after step %d", journal->source,
                                   (int)journal->completed);
        printf("Going on with the restore of %s after step %d\n", journal->source, (int)journal->completed);
        return kubeadm_upgrade_check(restore->root, restore->failure);
}

static int run_restore(const struct arguments *arguments, struct restore *restore)
{
        int r;

        r = restore_journal_load(restore->state_dir, &restore->journal, restore->failure);
        if (r >= 0) {
                r = unfinished(arguments, restore);
        } else if (r == -ENOENT && !arguments->source) {
                r = failure_set(restore->failure, -EINVAL, "NoSource",
                                "say from what: a file, a directory, the name of a copy, or newest");
        } else if (r == -ENOENT) {
                r = consent(arguments, restore);
                if (r >= 0)
                        r = begin(arguments, restore);
        }
        if (r < 0 || arguments->dry_run)
                return r;
        log_message(LOG_NOTICE, MESSAGE_RESTORE_BEGUN, "Restoring etcd from %s", restore->journal.source);
        r = restore_run(restore);
        if (r < 0)
                return r;
        log_message(LOG_NOTICE, MESSAGE_RESTORED, "Restored etcd from %s", restore->journal.source);
        restore_tell_rest(restore);
        return 0;
}

static int run_abort(struct restore *restore)
{
        struct etcd_status status;
        int r;

        r = restore_journal_load(restore->state_dir, &restore->journal, restore->failure);
        if (r == -ENOENT)
                return failure_set(restore->failure, r, "NothingToAbort", "no restore is unfinished");
        if (r >= 0)
                r = restore_abort(restore);
        if (r < 0)
                return r;
        log_message(LOG_NOTICE, MESSAGE_RESTORE_ABORTED, "The restore from %s was taken back",
                    restore->journal.source);
        for (unsigned i = 0; i < 60; i++, sleep(1))
                if (etcd_ask_status(&restore->peer, USEC_PER_SEC, &status, NULL) >= 0)
                        return 0;
        printf("etcd does not answer within a minute; see: crictl logs $(crictl ps -a -q --name etcd)\n");
        return 0;
}

static int work(const struct arguments *arguments, const char *state_dir, const struct backup_config *config)
{
        _cleanup_failure_ failure = {};
        _cleanup_(restore_clear) struct restore restore = {
                .root = arguments->root, .state_dir = state_dir, .config = config, .failure = &failure
        };
        int r;

        r = etcd_peer_make(arguments->root, &config->etcd, &restore.peer);
        if (r >= 0)
                r = arguments->abort ? run_abort(&restore) : run_restore(arguments, &restore);
        if (r >= 0)
                return EXIT_GOOD;
        log_message(LOG_ERR, MESSAGE_RESTORE_FAILED, "%s: %s",
                    arguments->abort ? "Not taken back" : "Not restored", failure.message ?: strerror(-r));
        if (restore.journal.completed > 0 || restore.journal.aborting)
                fprintf(stderr,
                        "When the cause is gone, go on: capi-node etcd-backup restore%s; or take it all "
                        "back: "
                        "capi-node etcd-backup restore --abort\n",
                        restore.journal.aborting ? " --abort" : "");
        return EXIT_UNHEALTHY;
}

static int run_locked(const struct arguments *arguments, const char *state_dir,
                      const struct backup_config *config)
{
        _cleanup_close_ int lock = -EBADF;
        char who[LOCK_WHO_SIZE];
        int r;

        r = directory_make(state_dir, 0700);
        if (r >= 0)
                r = lock_take(state_dir, arguments->drill ? "drill" : "restore", &lock, who);
        if (r == -EBUSY && arguments->drill) {
                log_info("Waiting for at most ten minutes: %s", who);
                r = lock_wait(state_dir, "drill", DRILL_WAIT_SECONDS, &lock, who);
        }
        if (r == -EBUSY || r == -EALREADY) {
                log_message(arguments->drill ? LOG_NOTICE : LOG_ERR, MESSAGE_MEMBER_BUSY, "Not now: %s", who);
                return EXIT_UNHEALTHY;
        }
        if (r < 0) {
                (void)log_error(r, "Cannot lock %s/lock", state_dir);
                return EXIT_UNHEALTHY;
        }
        return arguments->drill ? drill_run(arguments->root, state_dir, config)
                                : work(arguments, state_dir, config);
}

static int print_help(void)
{
        puts("etcd-restore - bring this node's etcd back from a copy, or prove that it could be\n\n"
             "  [SOURCE] [--target NAME] [--identity FILE] [--dry-run] [--yes] | --abort\n"
             "                as `capi-node etcd-backup restore` does; see its --help\n"
             "  drill         as `capi-node etcd-backup drill` does\n"
             "  --root DIR    take every path below DIR (for tests)\n\n"
             "Example:\n"
             "  etcd-restore newest --dry-run");
        return EXIT_GOOD;
}

int main(int argc, char *argv[])
{
        _cleanup_free_ char *state_dir = NULL;
        struct arguments arguments = { .root = "/" };
        struct backup_config *config = NULL;
        _cleanup_failure_ failure = {};
        int r;

        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0)
                        return print_help();
        umask(0077);
        log_open("etcd-restore");
        signal(SIGPIPE, SIG_IGN);
        r = parse_arguments(argc, argv, &arguments);
        if (r != 0)
                return r;
        state_dir = path_under(arguments.root, "/var/lib/capi-node-agent/etcd-backup");
        if (!state_dir)
                return EXIT_UNHEALTHY;
        r = backup_config_load(arguments.root, &config, &failure);
        if (r < 0) {
                log_message(LOG_ERR, arguments.drill ? MESSAGE_DRILL_FAILED : MESSAGE_RESTORE_FAILED, "%s",
                            failure.message ?: strerror(-r));
                return EXIT_CONFIGURATION;
        }
        r = run_locked(&arguments, state_dir, config);
        config_free(&backup_config_type, config);
        return r;
}
