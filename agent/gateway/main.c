/* SPDX-License-Identifier: Apache-2.0 */

#include <sys/stat.h>

#include "config-command.h"
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
        return config_command_validate(&program, &gateway_config_type, userdata, argc, argv);
}

static int run_schema(int argc, char *argv[], void *userdata)
{
        return config_command_schema(&program, &gateway_config_type, argc);
}

static const struct command commands[] = {
        { "daemon", "", run_daemon, "Serve (done by systemd)" },
        { "validate", "[FILE]", run_validate, "Say whether gateway.json is good" },
        { "schema", "", run_schema, "Print the JSON Schema of gateway.json" },
        {},
};

int main(int argc, char *argv[])
{
        static const struct command *const tables[] = { commands, NULL };
        const char *root = "/";

        umask(0077);
        log_open(program.name);
        if (take_root(&program, &argc, argv, &root) != 0)
                return EXIT_USAGE;
        return command_run(&program, tables, argc - 1, argv + 1, (void *)root);
}
