/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>
#include <sys/stat.h>

#include "agent-config.h"
#include "agent.h"
#include "command.h"
#include "files.h"
#include "log.h"
#include "own-capability.h"
#include "withdraw.h"

static const struct program program = {
        .name = "capi-node-agent",
        .summary = "start plugins, serve their requests, merge and publish what they report",
        .options = "  --root DIR   take every path below DIR (for tests)\n",
        .example = "capi-node-agent validate /etc/capi-node-agent/agent.json",
};

static int run_daemon(int argc, char *argv[], void *userdata)
{
        if (argc > 1)
                return usage_error(&program, "daemon takes no arguments");
        return agent_run(userdata);
}

static int run_validate(int argc, char *argv[], void *userdata)
{
        _cleanup_free_ char *own = path_under(userdata, "/etc/capi-node-agent/agent.json");
        const char *path = argc == 2 ? argv[1] : own;
        _cleanup_failure_ failure = {};
        struct own_file file;
        int r;

        if (argc > 2)
                return usage_error(&program, "validate takes one file");
        if (!path)
                return EXIT_UNHEALTHY;
        r = own_file_load(&agent_config_type, path, &file, &failure);
        if (r >= 0 && !file.text)
                r = failure_set(&failure, -ENOENT, "ConfigurationUnreadable", "there is no %s", path);
        own_file_clear(&agent_config_type, &file);
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
        schema = config_schema(&agent_config_type);
        if (!schema)
                return EXIT_UNHEALTHY;
        puts(schema);
        return EXIT_GOOD;
}

static int run_withdraw(int argc, char *argv[], void *userdata)
{
        if (argc > 1)
                return usage_error(&program, "withdraw takes no arguments");
        return withdraw_to_unknown(userdata);
}

static int run_undo(int argc, char *argv[], void *userdata)
{
        if (argc > 1)
                return usage_error(&program, "undo takes no arguments");
        return withdraw_undo(userdata);
}

static const struct command commands[] = {
        { "daemon", "", run_daemon, "Run the agent (done by systemd)" },
        { "withdraw", "", run_withdraw, "Turn this node's conditions to Unknown (done by systemd)" },
        { "undo", "", run_undo, "Take away what was published on the Node (done by dpkg)" },
        { "validate", "[FILE]", run_validate, "Say whether agent.json is good" },
        { "schema", "", run_schema, "Print the JSON Schema of agent.json" },
        {},
};

int main(int argc, char *argv[])
{
        static const struct command *const tables[] = { commands, NULL };
        const char *root = "/";

        umask(0077);
        log_open(program.name);
        if (argc > 2 && strcmp(argv[1], "--root") == 0) {
                if (argv[2][0] != '/')
                        return usage_error(&program, "--root needs an absolute directory");
                root = argv[2];
                argc -= 2;
                argv += 2;
        }
        return command_run(&program, tables, argc - 1, argv + 1, (void *)root);
}
