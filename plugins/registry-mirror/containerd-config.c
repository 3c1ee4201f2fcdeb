/* SPDX-License-Identifier: Apache-2.0 */

#include "containerd-config.h"

#include <fnmatch.h>
#include <glob.h>
#include <string.h>

#include "files.h"

#define FILES_MAX 64

/* Who pulls images, by the version of the file's format (containerd: docs/cri/config.md). */
#define PLUGIN_1 "cri"
#define PLUGIN_2 "io.containerd.grpc.v1.cri"
#define PLUGIN_3 "io.containerd.cri.v1.images"

struct load {
        const char *root;
        char *drop_in; /* known from the first pattern that imports a directory */
        char *names[FILES_MAX];
        struct toml_value *documents[FILES_MAX]; /* NULL: our own file */
        size_t count;
        struct failure *failure;
};

static void load_clear(struct load *load)
{
        free(load->drop_in);
        for (size_t i = 0; i < load->count; i++) {
                free(load->names[i]);
                toml_free(load->documents[i]);
        }
}

void containerd_config_clear(struct containerd_config *config)
{
        free(config->path);
        free(config->config_path);
        free(config->drop_in);
        free(config->plugin);
        free(config->overridden_by);
        toml_free(config->section);
        *config = (struct containerd_config){};
}

static int read_document(struct load *load, const char *name, struct toml_value **ret)
{
        _cleanup_free_ char *path = path_under(load->root, name), *text = NULL;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, TOML_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return failure_set(
                        load->failure, r, "ConfigPathMissing",
                        "containerd has no %s, and so no config_path: have the image write one that "
                        "imports /etc/containerd/conf.d/*.toml",
                        name);
        if (r < 0)
                return failure_set(load->failure, r, "ContainerdConfigUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        r = toml_parse(text, size, ret, load->failure);
        if (r == -EINVAL)
                failure_prefix(load->failure, "%s", path);
        return r;
}

static bool is_loaded(const struct load *load, const char *name)
{
        for (size_t i = 0; i < load->count; i++)
                if (strcmp(load->names[i], name) == 0)
                        return true;
        return false;
}

static int load_file(struct load *load, const char *name)
{
        bool own = load->drop_in && strcmp(name, load->drop_in) == 0;
        struct toml_value *document = NULL;
        int r;

        if (is_loaded(load, name))
                return 0;
        if (load->count == FILES_MAX)
                return failure_set(load->failure, -EINVAL, "ContainerdConfigUnreadable",
                                   "containerd's configuration imports more than %d files", FILES_MAX - 1);
        r = own ? 0 : read_document(load, name, &document);
        if (r < 0)
                return r;
        load->names[load->count] = strdup(name);
        load->documents[load->count++] = document;
        return load->names[load->count - 1] ? 0 : -ENOMEM;
}

/* "/etc/containerd/conf.d/" of a pattern that takes in our file. */
static int find_drop_in(struct load *load, const char *pattern)
{
        const char *slash = strrchr(pattern, '/');
        _cleanup_free_ char *directory = NULL;

        if (load->drop_in || !slash || fnmatch(slash + 1, DROP_IN_NAME, 0) != 0)
                return 0;
        directory = strndup(pattern, (size_t)(slash - pattern));
        if (!directory)
                return -ENOMEM;
        if (strpbrk(directory, "*?["))
                return 0;
        if (asprintf(&load->drop_in, "%s/" DROP_IN_NAME, directory) < 0) {
                load->drop_in = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* In the order of names, as Go's filepath.Glob; our own file has its place among them, there or not. */
static int load_pattern(struct load *load, const char *pattern)
{
        _cleanup_(globfree) glob_t found = {};
        _cleanup_free_ char *path = path_under(load->root, pattern);
        size_t prefix = path ? strlen(path) - strlen(pattern) : 0;
        bool own = load->drop_in && fnmatch(pattern, load->drop_in, FNM_PATHNAME) == 0;
        int r;

        if (!path)
                return -ENOMEM;
        r = glob(path, 0, NULL, &found);
        if (r != 0 && r != GLOB_NOMATCH)
                return r == GLOB_NOSPACE ? -ENOMEM : -EIO;
        for (size_t i = 0; i < found.gl_pathc; i++) {
                const char *name = found.gl_pathv[i] + prefix;

                if (own && strcmp(name, load->drop_in) > 0) {
                        r = load_file(load, load->drop_in);
                        if (r < 0)
                                return r;
                }
                r = load_file(load, name);
                if (r < 0)
                        return r;
        }
        return own ? load_file(load, load->drop_in) : 0;
}

static int load_import(struct load *load, const char *parent, const char *import)
{
        _cleanup_free_ char *name = NULL;
        int r;

        if (import[0] == '/')
                name = strdup(import);
        else if (asprintf(&name, "%.*s/%s", (int)(strrchr(parent, '/') - parent), parent, import) < 0)
                name = NULL;
        if (!name)
                return -ENOMEM;
        if (!strpbrk(name, "*"))
                return load_file(load, name);
        r = find_drop_in(load, name);
        return r < 0 ? r : load_pattern(load, name);
}

/* Breadth first, as containerd does (LoadConfig). */
static int load_all(struct load *load, const char *path)
{
        int r;

        r = load_file(load, path);
        for (size_t i = 0; r >= 0 && i < load->count; i++) {
                const struct toml_value *imports = toml_get(load->documents[i], "imports");

                for (size_t k = 0; r >= 0 && imports && imports->kind == TOML_ARRAY && k < imports->count;
                     k++)
                        if (imports->items[k]->kind == TOML_STRING)
                                r = load_import(load, load->names[i], imports->items[k]->text);
        }
        return r;
}

/* ---- what is in force ---- */

static int64_t format_version(const struct toml_value *document)
{
        const struct toml_value *version = toml_get(document, "version");

        return version && version->kind == TOML_INTEGER ? strtoll(version->text, NULL, 10) : 0;
}

static const char *plugin_id(int64_t version, bool imported)
{
        if (version >= 3)
                return PLUGIN_3;
        return version == 2 || imported ? PLUGIN_2 : PLUGIN_1;
}

static const struct toml_value *section_of(const struct load *load, size_t i)
{
        const struct toml_value *document = load->documents[i];

        return toml_get(toml_get(document, "plugins"), plugin_id(format_version(document), i > 0));
}

static bool has_tls(const struct toml_value *configs)
{
        for (size_t i = 0; configs && configs->kind == TOML_TABLE && i < configs->count; i++)
                if (toml_get(configs->items[i], "tls"))
                        return true;
        return false;
}

/* The last file that has the plugin's table: before 2.1 it replaces those before it, and later it goes before
 * them. */
static int take_section(const struct load *load, size_t i, struct containerd_config *config)
{
        const struct toml_value *section = section_of(load, i), *registry = toml_get(section, "registry"),
                                *mirrors = toml_get(registry, "mirrors");
        const char *config_path = toml_string(registry, "config_path");

        toml_free(config->section);
        config->section = NULL;
        free(config->config_path);
        config->config_path = config_path && *config_path ? strdup(config_path) : NULL;
        if (config_path && *config_path && !config->config_path)
                return -ENOMEM;
        config->mirrors = (mirrors && mirrors->count > 0) || has_tls(toml_get(registry, "configs"));
        return toml_copy(section, &config->section);
}

static int judge(const struct load *load, struct containerd_config *config)
{
        bool behind_own = false;
        int r;

        config->version = format_version(load->documents[0]);
        config->plugin = strdup(plugin_id(config->version, false));
        if (!config->plugin)
                return -ENOMEM;
        if (load->drop_in) {
                config->drop_in = strdup(load->drop_in);
                if (!config->drop_in)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < load->count; i++) {
                if (!load->documents[i])
                        behind_own = true;
                if (!section_of(load, i))
                        continue;
                r = take_section(load, i, config);
                if (r < 0)
                        return r;
                if (behind_own) {
                        free(config->overridden_by);
                        config->overridden_by = strdup(load->names[i]);
                        if (!config->overridden_by)
                                return -ENOMEM;
                }
        }
        return 0;
}

int containerd_config_load(const char *root, const char *path, struct containerd_config *ret,
                           struct failure *failure)
{
        _cleanup_(load_clear) struct load load = { .root = root, .failure = failure };
        _cleanup_containerd_config_ config = {};
        int r;

        config.path = strdup(path);
        if (!config.path)
                return -ENOMEM;
        r = load_all(&load, path);
        if (r >= 0)
                r = judge(&load, &config);
        if (r < 0)
                return r;
        *ret = config;
        config = (struct containerd_config){};
        return 0;
}

char *containerd_config_directory(const struct containerd_config *config)
{
        const char *path = config->config_path;

        return path && path[0] == '/' ? strndup(path, strcspn(path, ":")) : strdup(CERTS_DIRECTORY);
}

bool containerd_config_is_list(const struct containerd_config *config)
{
        return config->config_path && strchr(config->config_path, ':');
}

/* ---- our file ---- */

static int make_section(const struct containerd_config *config, struct toml_value **ret)
{
        _cleanup_(toml_freep) struct toml_value *section = NULL;
        struct toml_value *registry;
        int r;

        if (config->section) {
                r = toml_copy(config->section, &section);
                if (r < 0)
                        return r;
        } else {
                section = calloc(1, sizeof(*section));
                if (!section)
                        return -ENOMEM;
        }
        r = toml_make_table(section, "registry", &registry);
        if (r >= 0)
                r = toml_set_string(registry, "config_path", CERTS_DIRECTORY);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(section);
        return 0;
}

char *containerd_config_drop_in(const struct containerd_config *config)
{
        _cleanup_(toml_freep) struct toml_value *section = NULL;
        _cleanup_free_ char *text = NULL, *prefix = NULL;
        FILE *stream;
        size_t size;
        int r;

        if (make_section(config, &section) < 0 || asprintf(&prefix, "plugins.\"%s\"", config->plugin) < 0)
                return NULL;
        stream = open_memstream(&text, &size);
        if (!stream)
                return NULL;
        fprintf(stream,
                "# Written by capi-node-agent (registry-mirror) because %s sets no config_path.\n"
                "# containerd before 2.1 replaces the plugin's whole table by this one, which therefore "
                "repeats\n"
                "# it; it is made anew when that file changes.\n"
                "version = %lld\n",
                config->path, (long long)config->version);
        r = toml_write_table(stream, prefix, section);
        if (fclose(stream) != 0 || r < 0)
                return NULL;
        return TAKE_PTR(text);
}
