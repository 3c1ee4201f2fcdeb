/* SPDX-License-Identifier: Apache-2.0 */

#include "target-commands.h"

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "copy-report.h"
#include "files.h"
#include "progress.h"
#include "quantity.h"
#include "store.h"
#include "timestamp.h"

static const struct program program = { .name = "capi-node etcd-backup" };

struct request {
        const char *root;
        bool json;
        const char *target, *copy, *identity_file; /* NULL: not given */
        char *state_dir;
        struct backup_config *config;
        json_object *results;
        struct progress progress;
        bool failed;
};

static void request_clear(struct request *request)
{
        free(request->state_dir);
        config_free(&backup_config_type, request->config);
        json_object_put(request->results);
}

static int load(struct request *request)
{
        _cleanup_failure_ failure = {};
        int r;

        request->state_dir = path_under(request->root, BACKUP_STATE_DIR);
        request->results = json_object_new_array();
        r = request->state_dir && request->results
                    ? backup_config_load(request->root, &request->config, &failure)
                    : -ENOMEM;
        if (r < 0)
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
        return r < 0 ? EXIT_CONFIGURATION : EXIT_GOOD;
}

static void complain(struct request *request, int error, const struct failure *failure)
{
        request->failed = true;
        fprintf(stderr, "%s\n", failure->message ?: strerror(-error));
}

static int finish(const struct request *request)
{
        if (request->json)
                puts(json_object_to_json_string_ext(request->results,
                                                    JSON_C_TO_STRING_PRETTY |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
        return request->failed ? EXIT_UNHEALTHY : EXIT_GOOD;
}

/* ---- list --all ---- */

#define ROW "%-10s %-20s %-24s %12s %10s %10s %-8s %s\n"

/* By the clocks: a copy of another node knows nothing of this one's boots. */
static char *format_age(const struct manifest *manifest, char buffer[static QUANTITY_SIZE])
{
        uint64_t now = now_realtime_usec(), taken = manifest->finished.realtime_usec;

        if (taken > now)
                return strcpy(buffer, "future");
        return duration_format_human((now - taken) / USEC_PER_SEC * USEC_PER_SEC, buffer);
}

static void print_row(const char *target, const struct copy *copy)
{
        char taken[TIMESTAMP_SIZE], age[QUANTITY_SIZE], stored[QUANTITY_SIZE], revision[21];
        const struct manifest *manifest = copy->manifest;

        (void)snprintf(revision, sizeof(revision), "%lld", (long long)manifest->revision);
        printf(ROW, target, manifest->node, timestamp_format(manifest->finished.realtime_usec, taken),
               format_age(manifest, age), revision, size_format_human(manifest->stored_size, stored),
               !copy->whole        ? "DAMAGED"
               : !manifest->walked ? "hashed"
                                   : "verified",
               manifest->stored_file);
}

static int list_target(struct request *request, const struct backup_target *target, struct failure *failure)
{
        _cleanup_(store_closep) struct store *store = NULL;
        _cleanup_copies_ copies = {};
        int r;

        r = store_open(target, request->root, NULL, &store, failure);
        if (r >= 0)
                r = store_list(store, request->config->cluster, NULL, &copies, failure);
        for (size_t i = 0; i < copies.count && r >= 0; i++) {
                if (request->json)
                        r = copy_report_append(request->results, target->name, &copies.items[i]);
                else
                        print_row(target->name, &copies.items[i]);
        }
        if (r >= 0 && store_remark(store))
                fprintf(stderr, "%s\n", store_remark(store));
        return r;
}

int target_run_list(int argc, char *argv[], void *userdata)
{
        _cleanup_(request_clear) struct request request = { .root = userdata };
        int status;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        request.json = true;
                else if (strcmp(argv[i], "--all") != 0)
                        return usage_error(&program, "list --all does not know \"%s\"", argv[i]);
        }
        status = load(&request);
        if (status != EXIT_GOOD)
                return status;
        if (!request.json)
                printf(ROW, "TARGET", "NODE", "TAKEN", "AGE", "REVISION", "STORED", "STATE", "COPY");
        for (size_t i = 0; i < request.config->targets.count; i++) {
                _cleanup_failure_ failure = {};
                int r;

                r = list_target(&request, backup_config_target(request.config, i), &failure);
                if (r < 0)
                        complain(&request, r, &failure);
        }
        return finish(&request);
}

/* ---- verify --target ---- */

static int load_means(const struct request *request, struct proof_means *means)
{
        const char *file = request->config->encryption.authentication_key_file;
        _cleanup_free_ char *path = file ? path_under(request->root, file) : NULL;
        _cleanup_failure_ failure = {};
        int r = 0;

        means->scratch_dir = request->state_dir;
        if (file)
                r = path ? authentication_key_load(path, &means->key, &failure) : -ENOMEM;
        if (r >= 0 && request->identity_file)
                r = age_identities_load(request->identity_file, &means->identities, &failure);
        if (r < 0)
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
        return r < 0 ? EXIT_CONFIGURATION : EXIT_GOOD;
}

/* The copy of that name, of whichever node; else this node's newest. */
static const struct copy *choose(const struct request *request, const struct copies *copies)
{
        char node[NODE_NAME_SIZE];

        (void)node_name(node);
        for (size_t i = 0; i < copies->count; i++) {
                const struct manifest *manifest = copies->items[i].manifest;

                if (strcmp(request->copy ?: node, request->copy ? manifest->stored_file : manifest->node) ==
                    0)
                        return &copies->items[i];
        }
        return NULL;
}

static int prove(struct request *request, struct store *store, const struct copy *copy,
                 const struct proof_means *means)
{
        const struct interrupt interrupt = progress_interrupt(&request->progress);
        enum proof proof = PROOF_STORED_BYTES;
        _cleanup_failure_ failure = {};
        _cleanup_facts_ facts = {};
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!request->json)
                progress_start(&request->progress, "Fetching");
        r = store_fetch(store, copy, request->state_dir, &fd, &failure);
        progress_end(&request->progress);
        if (r < 0) {
                complain(request, r, &failure);
                return 0;
        }
        if (!request->json)
                progress_start(&request->progress, "Verifying");
        r = stored_copy_prove(fd, copy->manifest, means, &interrupt, &proof, &facts, &failure);
        progress_end(&request->progress);
        request->failed |= r < 0;
        if (request->json)
                return proof_report_append(request->results, request->target, copy->manifest->stored_file, r,
                                           proof, &facts, facts.unwalked.reason ? &facts.unwalked : &failure);
        proof_report_print(request->target, copy->manifest->stored_file, r, proof, &facts, &failure);
        return 0;
}

static int verify_at(struct request *request, const struct backup_target *target,
                     const struct proof_means *means, struct failure *failure)
{
        const struct interrupt interrupt = progress_interrupt(&request->progress);
        _cleanup_(store_closep) struct store *store = NULL;
        const struct copy *copy;
        _cleanup_copies_ copies = {};
        int r;

        r = store_open(target, request->root, &interrupt, &store, failure);
        if (r >= 0)
                r = store_list(store, request->config->cluster, NULL, &copies, failure);
        if (r < 0)
                return r;
        copy = choose(request, &copies);
        if (!copy)
                return failure_set(failure, -ENOENT, "NoSuchCopy",
                                   "target %s has no copy%s%s; see: capi-node "
                                   "etcd-backup list --all",
                                   target->name, request->copy ? " named " : " of this node",
                                   request->copy ?: "");
        return prove(request, store, copy, means);
}

static const struct backup_target *find_target(const struct request *request)
{
        for (size_t i = 0; i < request->config->targets.count; i++)
                if (strcmp(backup_config_target(request->config, i)->name, request->target) == 0)
                        return backup_config_target(request->config, i);
        return NULL;
}

static int parse_verify(int argc, char *argv[], struct request *request)
{
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        request->json = true;
                else if (strcmp(argv[i], "--target") == 0 && i + 1 < argc)
                        request->target = argv[++i];
                else if (strcmp(argv[i], "--identity") == 0 && i + 1 < argc)
                        request->identity_file = argv[++i];
                else if (argv[i][0] == '-' || request->copy)
                        return usage_error(&program, "verify --target does not know \"%s\"", argv[i]);
                else
                        request->copy = argv[i];
        }
        return request->target ? EXIT_GOOD : usage_error(&program, "verify needs --target NAME");
}

int target_run_verify(int argc, char *argv[], void *userdata)
{
        _cleanup_(request_clear) struct request request = { .root = userdata };
        const struct backup_target *target;
        _cleanup_proof_means_ means = {};
        _cleanup_failure_ failure = {};
        int status, r;

        status = parse_verify(argc, argv, &request);
        if (status == EXIT_GOOD)
                status = load(&request);
        if (status == EXIT_GOOD)
                status = load_means(&request, &means);
        if (status != EXIT_GOOD)
                return status;
        target = find_target(&request);
        if (!target)
                return usage_error(&program, "no target is called \"%s\"", request.target);
        r = verify_at(&request, target, &means, &failure);
        if (r < 0)
                complain(&request, r, &failure);
        return finish(&request);
}
