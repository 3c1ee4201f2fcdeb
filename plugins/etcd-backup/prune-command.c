/* SPDX-License-Identifier: Apache-2.0 */

#include "prune-command.h"

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "files.h"
#include "last-run.h"
#include "lock.h"
#include "log.h"
#include "prune.h"

static const struct program program = { .name = "capi-node etcd-backup" };

struct pruning {
        const char *root;
        char *state_dir;
        bool dry_run, json;
        const char *target; /* NULL: every one */
        struct backup_config *config;
        struct last_run last;
        struct authentication_key key;
        json_object *decisions;
        unsigned removed;
        bool failed;
};

static void pruning_clear(struct pruning *pruning)
{
        free(pruning->state_dir);
        config_free(&backup_config_type, pruning->config);
        last_run_clear(&pruning->last);
        authentication_key_clear(&pruning->key);
        json_object_put(pruning->decisions);
}

static int parse_arguments(int argc, char *argv[], struct pruning *pruning)
{
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        pruning->json = true;
                else if (strcmp(argv[i], "--dry-run") == 0)
                        pruning->dry_run = true;
                else if (strcmp(argv[i], "--target") == 0 && i + 1 < argc)
                        pruning->target = argv[++i];
                else
                        return usage_error(&program, "prune does not know \"%s\"", argv[i]);
        }
        return EXIT_GOOD;
}

static int complain(int error, const struct failure *failure, int status)
{
        fprintf(stderr, "%s\n", failure->message ?: strerror(-error));
        return status;
}

static int load_key(struct pruning *pruning, struct failure *failure)
{
        const char *file = pruning->config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(pruning->root, file) : NULL;

        if (!file)
                return 0;
        return path ? authentication_key_load(path, &pruning->key, failure) : -ENOMEM;
}

static bool target_is_known(const struct pruning *pruning)
{
        for (size_t i = 0; i < pruning->config->targets.count; i++)
                if (!pruning->target ||
                    strcmp(backup_config_target(pruning->config, i)->name, pruning->target) == 0)
                        return true;
        return false;
}

/* Returns an exit status. */
static int load(struct pruning *pruning)
{
        _cleanup_failure_ failure = {};
        int r;

        pruning->state_dir = path_under(pruning->root, BACKUP_STATE_DIR);
        pruning->decisions = json_object_new_array();
        if (!pruning->state_dir || !pruning->decisions)
                return complain(-ENOMEM, &failure, EXIT_UNHEALTHY);
        r = backup_config_load(pruning->root, &pruning->config, &failure);
        if (r >= 0)
                r = load_key(pruning, &failure);
        if (r < 0)
                return complain(r, &failure, EXIT_CONFIGURATION);
        if (!target_is_known(pruning))
                return usage_error(&program, "no target is called \"%s\"", pruning->target);
        r = last_run_load(pruning->state_dir, &pruning->last);
        if (r < 0 || pruning->last.members.count == 0) {
                (void)failure_set(&failure, -ENOENT, "MembersUnknown",
                                  "which cluster's copies they are is not known before a snapshot was taken; "
                                  "type: capi-node etcd-backup snapshot");
                return complain(-ENOENT, &failure, EXIT_UNHEALTHY);
        }
        return EXIT_GOOD;
}

static int append(struct pruning *pruning, const struct backup_target *target, const struct copy *copy,
                  const struct retention_decision *decision)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        r = object ? json_set_string(object, "target", target->name) : -ENOMEM;
        if (r >= 0)
                r = json_set_string(object, "name", copy->manifest->stored_file);
        if (r >= 0)
                r = json_set_string(object, "node", copy->manifest->node);
        if (r >= 0)
                r = json_set_string(object, "verdict", retention_verdict_name(decision->verdict));
        if (r >= 0)
                r = json_set_string(object, "why", decision->why);
        return r < 0 ? r : json_append(pruning->decisions, TAKE_PTR(object));
}

#define ROW "%-10s %-64s %-8s %s\n"

static int explain(struct pruning *pruning, const struct backup_target *target, const struct prune_plan *plan)
{
        int r = 0;

        for (size_t i = 0; i < plan->copies.count && r >= 0; i++) {
                const struct copy *copy = &plan->copies.items[i];
                const struct retention_decision *decision = &plan->decisions[i];

                if (pruning->json)
                        r = append(pruning, target, copy, decision);
                else if (pruning->dry_run || decision->verdict == RETENTION_DELETE)
                        printf(ROW, target->name, copy->manifest->stored_file,
                               retention_verdict_name(decision->verdict), decision->why);
        }
        return r;
}

static int prune_target(struct pruning *pruning, const struct prune_request *request,
                        const struct backup_target *target, struct failure *failure)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_prune_plan_ plan = {};
        struct prune_count count = {};
        int r;

        r = store_open(target, pruning->root, NULL, &store, failure);
        if (r >= 0)
                r = prune_decide(request, target, store, &plan, failure);
        if (r >= 0)
                r = explain(pruning, target, &plan);
        if (r < 0 || pruning->dry_run)
                return r;
        r = prune_carry_out(store, &plan, &count, failure);
        pruning->removed += count.removed;
        if (count.locked > 0)
                fprintf(stderr, "target %s: its object lock keeps %u cop%s that retention gave up\n",
                        target->name, count.locked, count.locked == 1 ? "y" : "ies");
        return r;
}

static void prune_targets(struct pruning *pruning)
{
        char node[NODE_NAME_SIZE];
        struct prune_request request = {
                .config = pruning->config,
                .root = pruning->root,
                .node = node_name(node),
                .key = &pruning->key,
                .cluster_id = pruning->last.members.cluster_id,
                .members = &pruning->last.members,
        };

        prune_look_at_clock(pruning->root, pruning->state_dir, &request.present);
        for (size_t i = 0; i < pruning->config->targets.count; i++) {
                const struct backup_target *target = backup_config_target(pruning->config, i);
                _cleanup_failure_ failure = {};
                int r;

                if (pruning->target && strcmp(target->name, pruning->target) != 0)
                        continue;
                r = prune_target(pruning, &request, target, &failure);
                if (r < 0) {
                        (void)complain(r, &failure, EXIT_UNHEALTHY);
                        pruning->failed = true;
                }
        }
}

static int finish(const struct pruning *pruning)
{
        if (pruning->json)
                puts(json_object_to_json_string_ext(pruning->decisions,
                                                    JSON_C_TO_STRING_PRETTY |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
        else if (!pruning->dry_run)
                printf("removed %u cop%s\n", pruning->removed, pruning->removed == 1 ? "y" : "ies");
        if (pruning->removed > 0)
                log_message(LOG_NOTICE, MESSAGE_SNAPSHOT_PRUNED,
                            "Removed %u older cop%s by retention, by hand", pruning->removed,
                            pruning->removed == 1 ? "y" : "ies");
        return pruning->failed ? EXIT_UNHEALTHY : EXIT_GOOD;
}

int prune_run(int argc, char *argv[], void *userdata)
{
        _cleanup_(pruning_clear) struct pruning pruning = { .root = userdata };
        _cleanup_close_ int lock = -EBADF;
        char who[LOCK_WHO_SIZE];
        int status, r;

        status = parse_arguments(argc, argv, &pruning);
        if (status == EXIT_GOOD)
                status = load(&pruning);
        if (status != EXIT_GOOD)
                return status;
        r = pruning.dry_run ? 0 : lock_take(pruning.state_dir, "prune", &lock, who);
        if (r == -EBUSY || r == -EALREADY) {
                fprintf(stderr, "not now: %s\n", who);
                return EXIT_UNHEALTHY;
        }
        if (r < 0) {
                fprintf(stderr, "cannot lock %s: %s\n", pruning.state_dir, strerror(-r));
                return EXIT_UNHEALTHY;
        }
        if (!pruning.json && pruning.dry_run)
                printf(ROW, "TARGET", "COPY", "VERDICT", "WHY");
        prune_targets(&pruning);
        return finish(&pruning);
}
