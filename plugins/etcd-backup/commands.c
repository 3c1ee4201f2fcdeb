/* SPDX-License-Identifier: Apache-2.0 */

#include "commands.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "configuration.h"
#include "copy-report.h"
#include "files.h"
#include "plugin.h"
#include "progress.h"
#include "proof.h"
#include "quantity.h"
#include "timestamp.h"

static const struct program program = { .name = "capi-node etcd-backup" };

/* The oneshot's program stands beside the directory of the plugins; in the build directory, beside this one.
 */
static int run_beside(const char *relative, char *const arguments[])
{
        char self[PATH_MAX], path[PATH_MAX + 64];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (n < 0)
                return -errno;
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        snprintf(path, sizeof(path), "%s/%s", self, relative);
        execv(path, arguments);
        return -errno;
}

/* A oneshot with these arguments behind --root; argv ends with NULL. Only returns when it cannot run. */
static int run_oneshot(const char *name, const struct plugin_context *ctx, int argc, char *argv[])
{
        _cleanup_free_ const char **arguments = calloc((size_t)argc + 4, sizeof(*arguments));
        _cleanup_free_ char *installed = NULL;
        int r;

        if (!arguments || asprintf(&installed, "../%s", name) < 0) {
                installed = NULL;
                return EXIT_UNHEALTHY;
        }
        arguments[0] = name;
        arguments[1] = "--root";
        arguments[2] = ctx->root;
        memcpy(arguments + 3, argv, (size_t)argc * sizeof(*argv));
        r = run_beside(installed, (char *const *)arguments);
        if (r == -ENOENT)
                r = run_beside(name, (char *const *)arguments);
        fprintf(stderr, "cannot run %s: %s\n", name, strerror(-r));
        return EXIT_UNHEALTHY;
}

static bool has_option(int argc, char *argv[], const char *option)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], option) == 0)
                        return true;
        return false;
}

int backup_run_snapshot(int argc, char *argv[], void *userdata)
{
        if (argc > 1)
                return usage_error(&program, "snapshot takes no arguments");
        return run_oneshot("etcd-snapshot", userdata, 0, argv);
}

int backup_run_prune(int argc, char *argv[], void *userdata)
{
        return run_oneshot("etcd-snapshot", userdata, argc, argv);
}

int backup_run_restore(int argc, char *argv[], void *userdata)
{
        return run_oneshot("etcd-restore", userdata, argc - 1, argv + 1);
}

int backup_run_drill(int argc, char *argv[], void *userdata)
{
        if (argc > 1)
                return usage_error(&program, "drill takes no arguments");
        return run_oneshot("etcd-restore", userdata, argc, argv);
}

struct target_list {
        struct backup_config *config;
        struct target_entry {
                const char *name;
                char *directory;
                struct copies copies;
        } * targets;
        size_t count;
};

static void target_list_clear(struct target_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                copies_clear(&list->targets[i].copies);
                free(list->targets[i].directory);
        }
        free(list->targets);
        config_free(&backup_config_type, list->config);
}

static int load_target(const struct target_list *list, const char *root, size_t i, struct target_entry *ret)
{
        const struct backup_target *target = backup_config_target(list->config, i);
        char node[NODE_NAME_SIZE];
        int r;

        ret->name = target->name;
        if (target->kind != TARGET_DIRECTORY) /* list --all and verify --target look there */
                return 0;
        ret->directory = path_under(root, target->path);
        if (!ret->directory)
                return -ENOMEM;
        r = copies_load(ret->directory, list->config->cluster, node_name(node), &ret->copies);
        if (r < 0)
                fprintf(stderr, "cannot list %s: %s\n", ret->directory, strerror(-r));
        return r;
}

/* Returns an exit status. */
static int target_list_load(struct plugin_context *ctx, struct target_list *list)
{
        _cleanup_failure_ failure = {};
        void *config;
        int r;

        r = plugin_load_config(ctx, &config, &failure);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
                return EXIT_CONFIGURATION;
        }
        list->config = config;
        list->targets = calloc(list->config->targets.count, sizeof(*list->targets));
        if (!list->targets)
                return EXIT_UNHEALTHY;
        for (size_t i = 0; i < list->config->targets.count; i++)
                if (load_target(list, ctx->root, i, &list->targets[list->count++]) < 0)
                        return EXIT_UNHEALTHY;
        return EXIT_GOOD;
}

#define ROW         "%-10s %-64s %10s %8s %8s %-24s %10s %10s %s\n"
#define NUMBER_SIZE 21 /* of 64 bits */

static void print_row(const struct target_entry *target, const struct copy *copy)
{
        char raw[QUANTITY_SIZE], stored[QUANTITY_SIZE], time[TIMESTAMP_SIZE], revision[NUMBER_SIZE],
                keys[NUMBER_SIZE] = "-", hash[NUMBER_SIZE] = "-";
        const struct manifest *manifest = copy->manifest;

        (void)snprintf(revision, sizeof(revision), "%" PRId64, manifest->revision);
        if (manifest->walked) {
                (void)snprintf(keys, sizeof(keys), "%" PRIu64, manifest->keys);
                (void)snprintf(hash, sizeof(hash), "%" PRIx32, manifest->hash);
        }
        printf(ROW, target->name, manifest->stored_file, revision, keys, hash,
               timestamp_format(manifest->finished.realtime_usec, time),
               size_format_human(manifest->raw_size, raw), size_format_human(manifest->stored_size, stored),
               !copy->whole        ? "DAMAGED"
               : !manifest->walked ? "hashed"
                                   : "verified");
}

static int print_json(json_object *array)
{
        puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        return EXIT_GOOD;
}

static int list_json(const struct target_list *list)
{
        _cleanup_json_ json_object *array = json_object_new_array();

        for (size_t i = 0; i < list->count; i++)
                for (size_t j = 0; j < list->targets[i].copies.count; j++)
                        if (copy_report_append(array, list->targets[i].name,
                                               &list->targets[i].copies.items[j]) < 0)
                                return EXIT_UNHEALTHY;
        return print_json(array);
}

static int list_table(const struct target_list *list)
{
        size_t n = 0;

        printf(ROW, "TARGET", "COPY", "REVISION", "KEYS", "HASH", "TAKEN", "DATABASE", "STORED", "STATE");
        for (size_t i = 0; i < list->count; i++)
                for (size_t j = 0; j < list->targets[i].copies.count; j++, n++)
                        print_row(&list->targets[i], &list->targets[i].copies.items[j]);
        if (n == 0)
                printf("no copies yet; take one: capi-node etcd-backup snapshot\n");
        return EXIT_GOOD;
}

int backup_run_list(int argc, char *argv[], void *userdata)
{
        _cleanup_(target_list_clear) struct target_list list = {};
        bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
        int status;

        if (has_option(argc, argv, "--all"))
                return run_oneshot("etcd-snapshot", userdata, argc, argv);
        if (argc > 1 && !json)
                return usage_error(&program, "list does not know \"%s\"", argv[1]);
        status = target_list_load(userdata, &list);
        if (status != EXIT_GOOD)
                return status;
        return json ? list_json(&list) : list_table(&list);
}

struct verification {
        const char *name; /* NULL: the newest of each target */
        bool all, json;
        const char *identity_file;
        struct proof_means means;
        struct progress progress;
        json_object *results;
        unsigned checked, damaged;
};

static int verify_one(struct verification *verification, const struct target_entry *target,
                      const struct copy *copy)
{
        enum proof proof = PROOF_STORED_BYTES;
        _cleanup_failure_ failure = {};
        const struct interrupt interrupt = progress_interrupt(&verification->progress);
        _cleanup_facts_ facts = {};
        int r;

        if (!verification->json)
                progress_start(&verification->progress, "Verifying");
        r = copy_prove(target->directory, copy, &verification->means, &interrupt, &proof, &facts, &failure);
        progress_end(&verification->progress);
        verification->checked++;
        verification->damaged += r < 0;
        if (verification->json)
                return proof_report_append(verification->results, target->name, copy->manifest->stored_file,
                                           r, proof, &facts,
                                           facts.unwalked.reason ? &facts.unwalked : &failure);
        proof_report_print(target->name, copy->manifest->stored_file, r, proof, &facts, &failure);
        return 0;
}

static int verify_target(struct verification *verification, const struct target_entry *target)
{
        int r;

        for (size_t i = 0; i < target->copies.count; i++) {
                const struct copy *copy = &target->copies.items[i];

                if (verification->name && strcmp(verification->name, copy->manifest->stored_file) != 0)
                        continue;
                r = verify_one(verification, target, copy);
                if (r < 0)
                        return r;
                if (!verification->all && !verification->name)
                        break;
        }
        return 0;
}

static int parse_verify(int argc, char *argv[], struct verification *verification)
{
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        verification->json = true;
                else if (strcmp(argv[i], "--all") == 0)
                        verification->all = true;
                else if (strcmp(argv[i], "--identity") == 0 && i + 1 < argc)
                        verification->identity_file = argv[++i];
                else if (argv[i][0] == '-' || verification->name)
                        return usage_error(&program, "verify does not know \"%s\"", argv[i]);
                else
                        verification->name = argv[i];
        }
        if (verification->all && verification->name)
                return usage_error(&program, "verify takes a name or --all, not both");
        return EXIT_GOOD;
}

/* Returns an exit status. */
static int load_means(struct verification *verification, const struct backup_config *config, const char *root)
{
        const char *file = config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(root, file) : NULL;
        _cleanup_failure_ failure = {};
        int r = 0;

        if (file)
                r = path ? authentication_key_load(path, &verification->means.key, &failure) : -ENOMEM;
        if (r >= 0 && verification->identity_file)
                r = age_identities_load(verification->identity_file, &verification->means.identities,
                                        &failure);
        if (r < 0)
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
        return r < 0 ? EXIT_CONFIGURATION : EXIT_GOOD;
}

static void verification_clear(struct verification *verification)
{
        proof_means_clear(&verification->means);
}

/* A snapshot.db that etcd's own tools saved, or that was taken out of a copy. Returns an exit status. */
static int verify_file(const struct verification *verification)
{
        const char *const directories[] = { verification->means.scratch_dir, "/var/tmp", NULL };
        _cleanup_close_ int fd = open(verification->name, O_RDONLY | O_CLOEXEC);
        _cleanup_json_ json_object *results = json_object_new_array();
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};
        int r;

        r = fd < 0 ? -errno : snapshot_file_examine(fd, directories, NULL, &facts, &failure);
        if (verification->json) {
                if (proof_report_append(results, NULL, verification->name, r, PROOF_CONTENT, &facts,
                                        &failure) < 0)
                        return EXIT_UNHEALTHY;
                print_json(json_object_array_get_idx(results, 0));
        } else if (r < 0) {
                fprintf(stderr, "%s: %s\n", verification->name, failure.message ?: strerror(-r));
        } else {
                proof_report_print(NULL, verification->name, r, PROOF_CONTENT, &facts, &failure);
        }
        return r < 0 ? EXIT_UNHEALTHY : EXIT_GOOD;
}

int backup_run_verify(int argc, char *argv[], void *userdata)
{
        _cleanup_json_ json_object *results = json_object_new_array();
        _cleanup_(target_list_clear) struct target_list list = {};
        const struct plugin_context *ctx = userdata;
        _cleanup_(verification_clear) struct verification verification = { .means.scratch_dir =
                                                                                   ctx->state_dir,
                                                                           .results = results };
        int status;

        if (has_option(argc, argv, "--target"))
                return run_oneshot("etcd-snapshot", ctx, argc, argv);
        status = parse_verify(argc, argv, &verification);
        if (status == EXIT_GOOD && verification.name && strchr(verification.name, '/'))
                return verify_file(&verification);
        if (status == EXIT_GOOD)
                status = target_list_load(userdata, &list);
        if (status == EXIT_GOOD)
                status = load_means(&verification, list.config, ctx->root);
        if (status != EXIT_GOOD)
                return status;
        for (size_t i = 0; i < list.count; i++)
                if (verify_target(&verification, &list.targets[i]) < 0)
                        return EXIT_UNHEALTHY;

        if (verification.json)
                print_json(results);
        if (verification.checked == 0) {
                fprintf(stderr, verification.name ? "no copy is named %s\n" : "there is no copy%s\n",
                        verification.name ?: "");
                return EXIT_UNHEALTHY;
        }
        return verification.damaged > 0 ? EXIT_UNHEALTHY : EXIT_GOOD;
}
