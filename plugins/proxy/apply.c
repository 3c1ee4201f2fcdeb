/* SPDX-License-Identifier: Apache-2.0 */

#include "apply.h"

#include <string.h>

#include "files.h"

/* STATE/changes/UNIT.json and STATE/changes/drop-ins.json. */
static char *changes_dir(const struct plugin_context *ctx)
{
        char *path;

        return asprintf(&path, "%s/changes", ctx->state_dir) < 0 ? NULL : path;
}

void change_of(const struct plugin_context *ctx, const char *name, struct last_change *ret)
{
        _cleanup_free_ char *directory = changes_dir(ctx);

        if (!directory || last_change_load(directory, name, ret) < 0)
                *ret = (struct last_change){};
}

/* of NULL: there is none, which is a change only where there was one. */
#define NONE "none"
static int note(const struct plugin_context *ctx, const char *directory, const char *name, const char *of)
{
        struct last_change last;

        change_of(ctx, name, &last);
        if (!of && last.of[0] == '\0')
                return 0;
        return strcmp(last.of, of ?: NONE) == 0 ? 0 : last_change_save(directory, name, of ?: NONE);
}

static bool is_listed(const struct proxy_config *config, const char *name)
{
        size_t length = strlen(name) - strlen(".json");

        if (strcmp(name, DROP_INS ".json") == 0)
                return true;
        for (size_t i = 0; i < config->units.count; i++)
                if (strlen(config->units.items[i]) == length &&
                    strncmp(config->units.items[i], name, length) == 0)
                        return true;
        return false;
}

/* Of units that are listed no longer. */
static int forget(const struct proxy_config *config, const char *directory)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);

        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                const char *dot = strrchr(entry->d_name, '.');

                if (dot && strcmp(dot, ".json") == 0 && !is_listed(config, entry->d_name) &&
                    unlinkat(dirfd(dir), entry->d_name, 0) < 0)
                        return -errno;
        }
        return 0;
}

static int note_all(struct plugin_context *ctx, const struct proxy_config *config,
                    const struct settings *settings)
{
        _cleanup_free_ char *directory = changes_dir(ctx);
        int r;

        r = directory ? directory_make(directory, 0700) : -ENOMEM;
        if (r >= 0)
                r = note(ctx, directory, DROP_INS, settings->n_drop_ins ? settings->drop_ins : NULL);
        for (size_t i = 0; r >= 0 && i < config->units.count; i++)
                r = note(ctx, directory, config->units.items[i], settings->significant);
        return r < 0 ? r : forget(config, directory);
}

int settings_apply(struct plugin_context *ctx, const struct proxy_config *config,
                   const struct settings *settings, struct failure *failure)
{
        int changed, r;

        changed = owned_files_apply(ctx->root, ctx->state_dir, settings->files, settings->count, failure);
        if (changed < 0)
                return changed;
        r = note_all(ctx, config, settings);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot record the change below %s: %s",
                                   ctx->state_dir, strerror(-r));
        return changed;
}

int proxy_apply(struct plugin_context *ctx, const void *config, struct failure *failure)
{
        _cleanup_settings_ settings = {};
        int r;

        r = settings_make(ctx->root, config, &settings, failure);
        if (r < 0)
                return r;
        if (ctx->dry_run)
                return owned_files_show(ctx->root, ctx->state_dir, settings.files, settings.count, stdout,
                                        failure);
        r = settings_apply(ctx, config, &settings, failure);
        return r < 0 ? r : 0;
}

int proxy_undo(struct plugin_context *ctx, struct failure *failure)
{
        _cleanup_free_ char *directory = changes_dir(ctx);
        int r;

        r = owned_files_apply(ctx->root, ctx->state_dir, NULL, 0, failure);
        if (r < 0)
                return r;
        r = directory ? last_change_forget(directory, DROP_INS) : -ENOMEM;
        if (r >= 0)
                r = forget(&(struct proxy_config){}, directory);
        if (r >= 0 && rmdir(directory) < 0 && errno != ENOENT)
                r = -errno;
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot remove %s: %s", directory,
                                   strerror(-r));
        return 0;
}
