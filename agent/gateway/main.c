/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "files.h"
#include "gateway-config.h"
#include "gateway.h"
#include "log.h"

static const struct program program = {
        .name = "capi-node-gateway",
        .summary = "serve the node's health over HTTPS with mutual TLS",
        .options = "  --root DIR   take every path below DIR (for tests)\n",
        .example = "capi-node-gateway validate /etc/capi-node-agent/gateway.json",
};

static int run_daemon(int argc, char *argv[], void *userdata)
{
        if (argc > 1)
                return usage_error(&program, "daemon takes no arguments");
        return gateway_run(userdata);
}

static int run_validate(int argc, char *argv[], void *userdata)
{
        _cleanup_free_ char *standard = path_under(userdata, "/etc/capi-node-agent/gateway.json"),
                            *text = NULL;
        const char *path = argc == 2 ? argv[1] : standard;
        _cleanup_failure_ failure = {};
        void *config = NULL;
        size_t size;
        int r;

        if (argc > 2)
                return usage_error(&program, "validate takes one file");
        if (!path)
                return EXIT_UNHEALTHY;
        r = file_read(path, CONFIG_SIZE_MAX, &text, &size);
        if (r < 0)
                r = failure_set(&failure, r, "ConfigurationUnreadable", "cannot read %s: %s", path,
                                strerror(-r));
        else
                r = config_parse(&gateway_config_type, path, text, size, &config, &failure);
        config_free(&gateway_config_type, config);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : strerror(-r));
                return EXIT_CONFIGURATION;
        }
        printf("%s: good\n", path);
        return EXIT_GOOD;
}

static int run_schema(int argc, char *argv[], void *userdata)
{
        _cleanup_free_ char *schema = NULL;

        if (argc > 1)
                return usage_error(&program, "schema takes no arguments");
        schema = config_schema(&gateway_config_type);
        if (!schema)
                return EXIT_UNHEALTHY;
        puts(schema);
        return EXIT_GOOD;
}

static const struct command commands[] = {
        { "daemon", "", run_daemon, "Serve (done by systemd)" },
        { "validate", "[FILE]", run_validate, "Say whether gateway.json is good" },
        { "schema", "", run_schema, "Print the JSON Schema of gateway.json" },
        {},
};

/* Takes "--root DIR" out of argv, wherever it stands. Returns 0, or -EINVAL when DIR is missing or relative.
 */
static int take_root(int *argc, char *argv[], const char **ret_root)
{
        int kept = 0;

        for (int i = 0; i < *argc; i++) {
                if (strcmp(argv[i], "--root") != 0) {
                        argv[kept++] = argv[i];
                        continue;
                }
                if (i + 1 >= *argc || argv[i + 1][0] != '/')
                        return -EINVAL;
                *ret_root = argv[++i];
        }
        argv[kept] = NULL;
        *argc = kept;
        return 0;
}

int main(int argc, char *argv[])
{
        static const struct command *const tables[] = { commands, NULL };
        const char *root = "/";

        umask(0077);
        log_open(program.name);
        if (take_root(&argc, argv, &root) < 0)
                return usage_error(&program, "--root needs an absolute directory");
        return command_run(&program, tables, argc - 1, argv + 1, (void *)root);
}
