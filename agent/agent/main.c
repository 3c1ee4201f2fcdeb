/* SPDX-License-Identifier: Apache-2.0 */

#include <sys/stat.h>

#include "agent-config.h"
#include "agent.h"
#include "config-command.h"
#include "log.h"
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
        return config_command_validate(&program, &agent_config_type, userdata, argc, argv);
}

static int run_schema(int argc, char *argv[], void *userdata)
{
        return config_command_schema(&program, &agent_config_type, argc);
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
        if (take_root(&program, &argc, argv, &root) != 0)
                return EXIT_USAGE;
        return command_run(&program, tables, argc - 1, argv + 1, (void *)root);
}
