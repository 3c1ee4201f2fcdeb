/* SPDX-License-Identifier: Apache-2.0 */

/* The smallest complete plugin: it keeps a greeting in a file, says whether it is there, and takes it away
 * when its configuration goes. /etc/capi-node-agent/hello.json: { "greeting": "Good morning" } */

#include <string.h>

#include "files.h"
#include "plugin.h"

/* How long its report may be believed; 0: two minutes. Tests do not wait so long. */
#ifndef VALID_FOR_USEC
#define VALID_FOR_USEC 0
#endif

struct hello_config {
        char *greeting;
};

/* The table: parsing, error messages, `schema` and the manual come from it. */
static const struct config_key keys[] = {
        { .name = "greeting",
          .help = "What to write.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct hello_config, greeting),
          .fallback = "\"Hello\"",
          .maximum = 100 },
        {},
};

static const struct config_type hello_config_type = {
        .name = "hello",
        .help = "Keeps a greeting in a file.",
        .size = sizeof(struct hello_config),
        .keys = keys,
};

static char *greeting_path(const struct plugin_context *ctx)
{
        return path_under(ctx->root, "/run/greeting");
}

/* Idempotent, and below ctx->root; what is returned with a failure becomes the report's lastError. */
static int hello_apply(struct plugin_context *ctx, const void *config, struct failure *failure)
{
        const struct hello_config *hello = config;
        _cleanup_free_ char *path = greeting_path(ctx);
        int r;

        if (ctx->dry_run) {
                printf("would write \"%s\" to %s\n", hello->greeting, path);
                return 0;
        }
        r = file_write(path, hello->greeting, strlen(hello->greeting), 0644);
        if (r < 0)
                return failure_set(failure, r, "GreetingNotWritten", "cannot write %s: %s", path,
                                   strerror(-r));
        return 0;
}

/* Takes back what apply did, also in a process that never applied. */
static int hello_undo(struct plugin_context *ctx, struct failure *failure)
{
        _cleanup_free_ char *path = greeting_path(ctx);

        if (unlink(path) < 0 && errno != ENOENT)
                return failure_set(failure, -errno, "GreetingNotRemoved", "cannot remove %s: %s", path,
                                   strerror(errno));
        return 0;
}

/* After READY: event sources on ctx->event would begin here; this plugin only says what it knows. */
static int hello_watch(struct plugin_context *ctx, const void *config)
{
        const struct hello_config *hello = config;

        plugin_set_condition(ctx, "HelloSaid", CONDITION_TRUE, "GreetingWritten", "%s", hello->greeting);
        return 0;
}

/* There is nothing to be done until the configuration changes, so its process may shrink meanwhile. */
static bool hello_rests(const struct plugin_context *ctx)
{
        return true;
}

static const struct plugin plugin = {
        .name = "hello",
        .summary = "Keep a greeting in a file",
        .example = "capi-node hello status",
        .config = &hello_config_type,
        .conditions = (const struct condition_type[]){ { "HelloSaid", SEVERITY_WARNING, false }, {} },
        .valid_for_usec = VALID_FOR_USEC,
        .apply = hello_apply,
        .undo = hello_undo,
        .watch = hello_watch,
        .rests = hello_rests,
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
