/* SPDX-License-Identifier: Apache-2.0 */

#include "publish.h"

#include <string.h>

#include "copies.h"
#include "files.h"
#include "hosts-file.h"
#include "owned-files.h"
#include "shadows.h"
#include "timestamp.h"

#define WANTED_MAX (MIRROR_CHAINS_MAX + 1) /* and the file for containerd's configuration */

struct publication {
        struct plugin_context *ctx;
        const struct mirror_plan *plan;
        struct mirror_facts facts;
        struct owned_file wanted[WANTED_MAX]; /* path and text are owned */
        size_t n_wanted;
};

static void publication_clear(struct publication *publication)
{
        mirror_facts_clear(&publication->facts);
        for (size_t i = 0; i < publication->n_wanted; i++) {
                free((char *)publication->wanted[i].path);
                free((char *)publication->wanted[i].text);
        }
}

void mirror_facts_clear(struct mirror_facts *facts)
{
        containerd_config_clear(&facts->config);
        failure_clear(&facts->config_failure);
        free(facts->directory);
        for (size_t i = 0; i < facts->n_shadows; i++)
                free(facts->shadows[i].directory);
        free(facts->shadows);
        *facts = (struct mirror_facts){};
}

/* Takes path and text over. */
static int want(struct publication *publication, char *path, char *text, mode_t mode)
{
        if (!path || !text) {
                free(path);
                free(text);
                return -ENOMEM;
        }
        publication->wanted[publication->n_wanted++] =
                (struct owned_file){ .path = path, .text = text, .mode = mode };
        return 0;
}

/* ---- containerd ---- */

/* In an image nothing runs that could be asked by its socket. */
static int learn_containerd(struct publication *publication, const struct mirror_config *config)
{
        struct plugin_context *ctx = publication->ctx;
        struct mirror_facts *facts = &publication->facts;
        int r;

        containerd_state_load(ctx->state_dir, &facts->containerd);
        if (strcmp(ctx->root, "/") != 0 && !ctx->event)
                (void)containerd_version_ask(ctx->root, &facts->containerd.version);
        r = containerd_config_load(ctx->root, config ? config->containerd.config_file : CONTAINERD_CONFIG,
                                   &facts->config, &facts->config_failure);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && !facts->config_failure.reason)
                failure_set(&facts->config_failure, r, "ContainerdConfigUnreadable",
                            "cannot read containerd's configuration: %s", strerror(-r));
        facts->directory = containerd_config_directory(&facts->config);
        return facts->directory ? 0 : -ENOMEM;
}

/* What is repeated from containerd's configuration may hold credentials. */
static int want_import(struct publication *publication, const char *path, char *text)
{
        int r;

        r = want(publication, strdup(path), text, 0600);
        if (r >= 0)
                publication->wanted[publication->n_wanted - 1].shown = containerd_config_shown;
        return r;
}

/* Our file as it is, while nobody can say what it should be. */
static int keep_drop_in(struct publication *publication)
{
        const struct containerd_state *state = &publication->facts.containerd;
        _cleanup_free_ char *path = path_under(publication->ctx->root, state->drop_in_path), *text = NULL;
        size_t size;

        if (!path)
                return -ENOMEM;
        if (state->drop_in[0] == '\0' || file_read(path, TOML_SIZE_MAX, &text, &size) < 0)
                return 0;
        publication->facts.drop_in = true;
        return want_import(publication, state->drop_in_path, TAKE_PTR(text));
}

/* Only where containerd reads it last, and does not refuse it. */
static int want_drop_in(struct publication *publication)
{
        struct mirror_facts *facts = &publication->facts;
        const struct containerd_config *config = &facts->config;
        char *text;

        if (publication->plan->n_chains == 0)
                return 0;
        if (facts->config_failure.reason)
                return keep_drop_in(publication);
        if (config->config_path || !config->drop_in || config->version < 2 || config->overridden_by ||
            config->mirrors || strlen(config->drop_in) >= sizeof(facts->containerd.drop_in_path))
                return 0;
        text = containerd_config_drop_in(config);
        if (!text)
                return -ENOMEM;
        facts->drop_in = true;
        return want_import(publication, config->drop_in, text);
}

/* A restart is due for each new text of our file, and when it went: then there is no config_path any more. */
static int note_drop_in(struct publication *publication, struct failure *failure)
{
        struct containerd_state *state = &publication->facts.containerd;
        char digest[SHA256_TEXT_SIZE] = "";
        const char *path = "";
        int r;

        if (publication->facts.drop_in) {
                const struct owned_file *file = &publication->wanted[publication->n_wanted - 1];

                if (digest_text(file->text, strlen(file->text), digest) < 0)
                        return -EIO;
                path = file->path;
        }
        if (strcmp(state->drop_in, digest) == 0)
                return 0;
        strcpy(state->drop_in, digest);
        strcpy(state->drop_in_path, path);
        state->changed_usec = now_realtime_usec();
        state->changed_boottime_usec = now_boottime_usec();
        r = containerd_state_save(publication->ctx->state_dir, state);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot write below %s: %s",
                                   publication->ctx->state_dir, strerror(-r));
        return 0;
}

/* ---- hosts.toml ---- */

static bool has_secrets(const struct mirror_chain *chain)
{
        for (size_t i = 0; i < chain->n_hosts; i++)
                if (chain->hosts[i]->n_headers > 0)
                        return true;
        return false;
}

static int want_chain(struct publication *publication, const struct mirror_chain *chain,
                      struct failure *failure)
{
        struct mirror_facts *facts = &publication->facts;
        _cleanup_free_ char *path = hosts_file_path(facts->directory, chain->host);
        _cleanup_free_ char *text = hosts_file_render(publication->plan, chain, &facts->containerd.version);
        struct owned_file *file = &publication->wanted[publication->n_wanted];
        int r;

        if (!path || !text)
                return -ENOMEM;
        r = hosts_file_check(text, &facts->containerd.version, failure);
        if (r < 0) {
                failure_prefix(failure, "%s", chain->host ?: "default");
                return r;
        }
        r = want(publication, TAKE_PTR(path), TAKE_PTR(text), has_secrets(chain) ? 0600 : 0644);
        if (r < 0)
                return r;
        file->shown = hosts_file_shown;
        r = shadows_in_place(publication->ctx, facts, file, chain->host);
        if (r <= 0)
                return r;
        /* Somebody else's: it stays as it is. */
        publication->n_wanted--;
        free((char *)file->path);
        free((char *)file->text);
        return 0;
}

static int want_chains(struct publication *publication, struct failure *failure)
{
        for (size_t i = 0; i < publication->plan->n_chains; i++) {
                int r = want_chain(publication, &publication->plan->chains[i], failure);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The copies come first: a file that hosts.toml names and that is not there makes every pull fail. */
static int carry_out(struct publication *publication, struct failure *failure)
{
        struct plugin_context *ctx = publication->ctx;
        int r;

        r = copies_write(ctx->root, publication->plan, failure);
        if (r >= 0)
                r = owned_files_apply(ctx->root, ctx->state_dir, publication->wanted, publication->n_wanted,
                                      failure);
        return r < 0 ? r : note_drop_in(publication, failure);
}

static int prepare(struct publication *publication, const struct mirror_config *config,
                   struct failure *failure)
{
        int r;

        r = learn_containerd(publication, config);
        if (r >= 0)
                r = want_chains(publication, failure);
        return r < 0 ? r : want_drop_in(publication);
}

static int hand_over(struct publication *publication, struct mirror_facts *ret)
{
        int r;

        r = shadows_of_default(publication->ctx, publication->plan, &publication->facts);
        if (r < 0)
                return r;
        *ret = publication->facts;
        publication->facts = (struct mirror_facts){};
        return 0;
}

int mirror_publish(struct plugin_context *ctx, const struct mirror_config *config,
                   const struct mirror_plan *plan, struct mirror_facts *ret, struct failure *failure)
{
        _cleanup_(publication_clear) struct publication publication = { .ctx = ctx, .plan = plan };
        int r;

        r = prepare(&publication, config, failure);
        if (r >= 0)
                r = carry_out(&publication, failure);
        return r < 0 ? r : hand_over(&publication, ret);
}

int mirror_examine(struct plugin_context *ctx, const struct mirror_config *config,
                   const struct mirror_plan *plan, FILE *differences, struct mirror_facts *ret,
                   struct failure *failure)
{
        _cleanup_(publication_clear) struct publication publication = { .ctx = ctx, .plan = plan };
        int r;

        r = prepare(&publication, config, failure);
        if (r >= 0 && differences)
                r = owned_files_show(ctx->root, ctx->state_dir, publication.wanted, publication.n_wanted,
                                     differences, failure);
        return r < 0 ? r : hand_over(&publication, ret);
}

bool mirror_is_swept(const struct plugin_context *ctx, const struct mirror_plan *plan)
{
        return copies_are_swept(ctx->root, plan);
}

int mirror_sweep(const struct plugin_context *ctx, const struct mirror_plan *plan)
{
        return copies_sweep(ctx->root, plan);
}
