/* SPDX-License-Identifier: Apache-2.0 */

/* capi-node: what a person types on the node. It shows the health document, and runs the programs of the
 * capabilities, git-style: `capi-node NAME COMMAND` is PLUGINS/NAME COMMAND. */

#include <string.h>
#include <sys/stat.h>

#include "capability-program.h"
#include "command.h"
#include "log.h"
#include "status.h"

static const struct program program = {
        .name = "capi-node",
        .summary = "look at and operate this Cluster API node's agent",
        .options = "  NAME COMMAND ...  run a capability's own command; see capi-node NAME --help\n"
                   "\nExit status: 0 good, 1 unhealthy or failed, 64 usage, 78 bad configuration.\n",
        .example = "capi-node status; capi-node validate; capi-node etcd-backup list",
};

static int run_status(int argc, char *argv[], void *userdata)
{
        struct status_options options = {};

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        options.json = true;
                else if (strcmp(argv[i], "--watch") == 0)
                        options.watch = true;
                else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc)
                        options.root = argv[++i];
                else
                        return usage_error(&program, "status does not know \"%s\"", argv[i]);
        }
        return status_show(&options);
}

static int unknown_capability(const char *name)
{
        _cleanup_free_ char **names = NULL;
        const char *nearest;
        size_t n;

        if (capability_names(&names, &n) < 0)
                return usage_error(&program, "there is no capability \"%s\"", name);
        nearest = nearest_name(name, (const char *const *)names, n);
        if (nearest)
                (void)usage_error(&program, "there is no capability \"%s\"; did you mean \"%s\"?", name,
                                  nearest);
        else
                (void)usage_error(&program, "there is no capability \"%s\"", name);
        for (size_t i = 0; i < n; i++)
                free(names[i]);
        return EXIT_USAGE;
}

/* Runs COMMAND of the program of one configuration file, which tells its capability by its name. */
static int validate_file(const char *path)
{
        const char *base = strrchr(path, '/'), *dot;
        _cleanup_free_ char *name = NULL;

        base = base ? base + 1 : path;
        dot = strrchr(base, '.');
        name = dot && strcmp(dot, ".json") == 0 ? strndup(base, (size_t)(dot - base)) : NULL;
        if (!name || !capability_exists(name)) {
                fprintf(stderr,
                        "%s: the file's name does not say which capability it is for; type: capi-node NAME "
                        "validate %s\n",
                        path, path);
                return EXIT_CONFIGURATION;
        }
        return capability_run(name, (const char *const[]){ "validate", path, NULL });
}

static int worse(int a, int b)
{
        return a > b ? a : b;
}

/* Calls run(path, …) for each /etc/capi-node-agent/NAME.json below root. */
static int for_each_config(const char *root, int (*run)(const char *name, const char *path, void *userdata),
                           void *userdata)
{
        _cleanup_free_ char *directory = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        int status = EXIT_GOOD, found = 0;

        if (asprintf(&directory, "%s/etc/capi-node-agent", strcmp(root, "/") == 0 ? "" : root) < 0) {
                directory = NULL;
                return EXIT_UNHEALTHY;
        }
        dir = opendir(directory);
        while (dir && (entry = readdir(dir))) {
                _cleanup_free_ char *path = NULL, *name = NULL;
                const char *dot = strrchr(entry->d_name, '.');

                if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".json") != 0)
                        continue;
                name = strndup(entry->d_name, (size_t)(dot - entry->d_name));
                if (!name || asprintf(&path, "%s/%s", directory, entry->d_name) < 0) {
                        path = NULL;
                        return EXIT_UNHEALTHY;
                }
                status = worse(status, run(name, path, userdata));
                found++;
        }
        if (found == 0)
                printf("nothing is configured: there is no %s/NAME.json\n", directory);
        return status;
}

static int validate_each(const char *name, const char *path, void *userdata)
{
        return validate_file(path);
}

static int run_validate(int argc, char *argv[], void *userdata)
{
        _cleanup_free_ char *path = NULL;

        if (argc > 2)
                return usage_error(&program, "validate takes one capability or file");
        if (argc == 1)
                return for_each_config("/", validate_each, NULL);
        if (strchr(argv[1], '/') || strchr(argv[1], '.'))
                return validate_file(argv[1]);
        if (!capability_exists(argv[1]))
                return unknown_capability(argv[1]);
        if (asprintf(&path, "/etc/capi-node-agent/%s.json", argv[1]) < 0) {
                path = NULL;
                return EXIT_UNHEALTHY;
        }
        return validate_file(path);
}

struct apply_options {
        const char *root;
        bool dry_run;
};

static int apply_each(const char *name, const char *path, void *userdata)
{
        const struct apply_options *options = userdata;
        const char *arguments[5] = { "--root", options->root, "apply", options->dry_run ? "--dry-run" : NULL,
                                     NULL };

        /* The agent and the gateway apply their own configuration while they run. */
        if (!capability_is_plugin(name))
                return EXIT_GOOD;
        return capability_run(name, arguments);
}

static int run_apply(int argc, char *argv[], void *userdata)
{
        struct apply_options options = { .root = "/" };
        const char *name = NULL;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--dry-run") == 0)
                        options.dry_run = true;
                else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc)
                        options.root = argv[++i];
                else if (argv[i][0] != '-' && !name)
                        name = argv[i];
                else
                        return usage_error(&program, "apply does not know \"%s\"", argv[i]);
        }
        if (!name)
                return for_each_config(options.root, apply_each, &options);
        if (!capability_is_plugin(name))
                return unknown_capability(name);
        return apply_each(name, NULL, &options);
}

static int run_schema(int argc, char *argv[], void *userdata)
{
        if (argc != 2)
                return usage_error(&program, "schema takes the name of a capability");
        if (!capability_exists(argv[1]))
                return unknown_capability(argv[1]);
        return capability_run(argv[1], (const char *const[]){ "schema", NULL });
}

static const struct command commands[] = {
        { "status", "[--json] [--watch] [--root DIR]", run_status, "Show this node's health",
          "capi-node status --watch" },
        { "validate", "[NAME|FILE]", run_validate, "Say whether configurations are good",
          "capi-node validate\n  capi-node validate ./etcd-backup.json" },
        { "apply", "[NAME] [--dry-run] [--root DIR]", run_apply,
          "Apply configurations once, without the daemons", "capi-node apply --dry-run" },
        { "schema", "NAME", run_schema, "Print the JSON Schema of a configuration",
          "capi-node schema etcd-backup" },
        {},
};

int main(int argc, char *argv[])
{
        static const struct command *const tables[] = { commands, NULL };

        umask(0077);
        log_open(program.name);
        if (argc > 1 && capability_exists(argv[1]))
                return capability_exec(argv[1], argv + 2);
        return command_run(&program, tables, argc - 1, argv + 1, NULL);
}
