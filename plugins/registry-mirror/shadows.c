/* SPDX-License-Identifier: Apache-2.0 */

#include "shadows.h"

#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "hosts-file.h"

#define SHADOWS_MAX 256

static int note(struct mirror_facts *facts, const char *directory, const char *host, bool empty)
{
        struct mirror_shadow *shadows;

        if (facts->n_shadows == SHADOWS_MAX)
                return 0;
        shadows = reallocarray(facts->shadows, facts->n_shadows + 1, sizeof(*shadows));
        if (!shadows)
                return -ENOMEM;
        facts->shadows = shadows;
        shadows[facts->n_shadows] = (struct mirror_shadow){ strdup(directory), host, empty };
        return shadows[facts->n_shadows++].directory ? 0 : -ENOMEM;
}

/* 1 when there is something in the directory, 0 when not, -ENOENT when there is none. */
static int is_filled(const char *path)
{
        _cleanup_(closedirp) DIR *dir = opendir(path);

        if (!dir)
                return -errno;
        for (struct dirent *entry; (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        return 1;
        return 0;
}

/* containerd takes a file of no bytes for none. */
static bool has_hosts_file(const char *directory)
{
        _cleanup_free_ char *path = NULL;
        struct stat status;

        if (asprintf(&path, "%s/hosts.toml", directory) < 0) {
                path = NULL;
                return false;
        }
        return stat(path, &status) >= 0 && status.st_size > 0;
}

/* An empty directory is nobody's, and taken. One without hosts.toml holds certificates, as Docker has them.
 */
int shadows_in_place(const struct plugin_context *ctx, struct mirror_facts *facts,
                     const struct owned_file *file, const char *host)
{
        _cleanup_free_ char *directory = strndup(file->path, (size_t)(strrchr(file->path, '/') - file->path)),
                            *path = directory ? path_under(ctx->root, directory) : NULL;
        bool hosts_file;
        int r;

        if (!path)
                return -ENOMEM;
        r = is_filled(path);
        if (r <= 0)
                return r == 0 || r == -ENOENT ? 0 : r;
        hosts_file = has_hosts_file(path);
        r = owned_files_foreign(ctx->root, ctx->state_dir, file);
        if (r == 0 && !hosts_file)
                r = !owned_files_recorded(ctx->state_dir, file->path);
        if (r <= 0)
                return r;
        r = note(facts, directory, host, !hosts_file);
        return r < 0 ? r : 1;
}

static int is_ours(const struct mirror_plan *plan, const char *name)
{
        for (size_t i = 0; i < plan->n_chains; i++) {
                const char *host = plan->chains[i].host;
                _cleanup_free_ char *directory = hosts_file_directory(host);

                if (!directory)
                        return -ENOMEM;
                /* HOST:PORT comes behind our HOST_PORT_, and hides nothing. */
                if (strcmp(directory, name) == 0 || (host && strcmp(host, name) == 0))
                        return 1;
        }
        return 0;
}

int shadows_of_default(const struct plugin_context *ctx, const struct mirror_plan *plan,
                       struct mirror_facts *facts)
{
        const struct mirror_chain *others = mirror_plan_find(plan, NULL);
        _cleanup_free_ char *path = path_under(ctx->root, facts->directory);
        _cleanup_(closedirp) DIR *dir = NULL;

        if (!path)
                return -ENOMEM;
        dir = others ? opendir(path) : NULL;
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                _cleanup_free_ char *directory = NULL, *name = NULL;
                struct stat status;
                int r;

                if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &status, 0) < 0)
                        continue;
                r = is_ours(plan, entry->d_name);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                if (asprintf(&directory, "%s/%s", path, entry->d_name) < 0) {
                        directory = NULL;
                        return -ENOMEM;
                }
                if (asprintf(&name, "%s/%s", facts->directory, entry->d_name) < 0) {
                        name = NULL;
                        return -ENOMEM;
                }
                r = note(facts, name, NULL, !has_hosts_file(directory));
                if (r < 0)
                        return r;
        }
        return 0;
}
