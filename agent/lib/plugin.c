/* SPDX-License-Identifier: Apache-2.0 */

#include "plugin.h"

#include <string.h>
#include <sys/stat.h>

#include "config-command.h"
#include "files.h"
#include "log.h"
#include "plugin-daemon.h"
#include "quantity.h"
#include "timestamp.h"

static const struct program *program_of(const struct plugin *plugin)
{
        static struct program program;
        static char name[128];

        (void)snprintf(name, sizeof(name), "capi-node %s", plugin->name);
        program = (struct program){
                .name = name,
                .summary = plugin->summary,
                .example = plugin->example,
                .options = "  --root DIR   take every path below DIR (for images and tests)\n",
        };
        return &program;
}

static char *in_state(const struct plugin_context *ctx, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", ctx->state_dir, name) < 0 ? NULL : path;
}

/* Whether another capability wants it to run, though it has no configuration. */
static bool is_wanted_by_other(const struct plugin_context *ctx)
{
        _cleanup_free_ char *path =
                ctx->plugin->also_for ? path_under(ctx->root, ctx->plugin->also_for) : NULL;

        return path && access(path, F_OK) == 0;
}

static int read_empty_config(const struct plugin_context *ctx, char **ret_text, void **ret_config,
                             struct failure *failure)
{
        static const char empty[] = "{}";

        *ret_text = strdup(empty);
        if (!*ret_text)
                return -ENOMEM;
        return config_parse(ctx->plugin->config, ctx->config_path, empty, strlen(empty), ret_config, failure);
}

int plugin_read_config(struct plugin_context *ctx, char **ret_text, void **ret_config,
                       struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        struct stat st;
        void *config;
        size_t size;
        int r;

        r = file_read(ctx->config_path, CONFIG_SIZE_MAX, &text, &size);
        if (r == -ENOENT && is_wanted_by_other(ctx))
                return read_empty_config(ctx, ret_text, ret_config, failure);
        if (r >= 0 && stat(ctx->config_path, &st) < 0)
                r = -errno;
        if (r < 0)
                return failure_set(failure, r, "ConfigurationUnreadable", "cannot read %s: %s",
                                   ctx->config_path, strerror(-r));
        if (st.st_mode & 0022) {
                *ret_text = TAKE_PTR(text);
                return failure_set(
                        failure, -EPERM, "ConfigurationExposed",
                        "%s can be written by others than its owner (mode %04o); type: chmod go-w %s",
                        ctx->config_path, st.st_mode & 07777, ctx->config_path);
        }

        r = config_parse(ctx->plugin->config, ctx->config_path, text, size, &config, failure);
        *ret_text = TAKE_PTR(text);
        if (r < 0)
                return r;
        *ret_config = config;
        return 0;
}

int plugin_save_applied(struct plugin_context *ctx, const char *text)
{
        _cleanup_free_ char *path = in_state(ctx, "applied");

        return path ? file_write(path, text, strlen(text), 0600) : -ENOMEM;
}

int plugin_load_applied(struct plugin_context *ctx, char **ret_text, void **ret_config,
                        struct failure *failure)
{
        _cleanup_free_ char *path = in_state(ctx, "applied"), *text = NULL;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, CONFIG_SIZE_MAX, &text, &size);
        if (r < 0)
                return r;
        r = config_parse(ctx->plugin->config, path, text, size, ret_config, failure);
        if (r < 0)
                return r;
        *ret_text = TAKE_PTR(text);
        return 0;
}

int plugin_forget_applied(struct plugin_context *ctx)
{
        _cleanup_free_ char *path = in_state(ctx, "applied");

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int plugin_load_config(struct plugin_context *ctx, void **ret, struct failure *failure)
{
        _cleanup_free_ char *text = NULL, *last_good = NULL;
        int r;

        r = plugin_read_config(ctx, &text, ret, failure);
        if (r >= 0)
                return 0;
        if (plugin_load_applied(ctx, &last_good, ret, NULL) >= 0)
                return 0;
        return r;
}

static int run_daemon(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;

        bool resumed = argc == 2 && strcmp(argv[1], PLUGIN_RESUMED) == 0;

        if (argc > 1 && !resumed)
                return usage_error(program_of(ctx->plugin), "daemon takes no arguments");
        return plugin_daemon_run(ctx, resumed);
}

static int run_validate(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *text = NULL;
        void *config = NULL;
        int r;

        if (argc > 2)
                return usage_error(program_of(ctx->plugin), "validate takes one file");
        if (argc == 2) {
                free(ctx->config_path);
                ctx->config_path = strdup(argv[1]);
                if (!ctx->config_path)
                        return EXIT_UNHEALTHY;
        }
        r = plugin_read_config(ctx, &text, &config, &failure);
        config_free(ctx->plugin->config, config);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : strerror(-r));
                return EXIT_CONFIGURATION;
        }
        printf("%s: good\n", ctx->config_path);
        return EXIT_GOOD;
}

static int apply_once(struct plugin_context *ctx, struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        void *config = NULL;
        int r;

        r = plugin_read_config(ctx, &text, &config, failure);
        if (r < 0)
                return r;
        r = ctx->plugin->apply ? ctx->plugin->apply(ctx, config, failure) : 0;
        config_free(ctx->plugin->config, config);
        if (r < 0 || ctx->dry_run)
                return r;
        r = plugin_save_applied(ctx, text);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritable", "cannot write %s/applied: %s",
                                   ctx->state_dir, strerror(-r));
        return 0;
}

static int run_apply(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_failure_ failure = {};
        int r;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--dry-run") != 0)
                        return usage_error(program_of(ctx->plugin), "apply does not know \"%s\"", argv[i]);
                ctx->dry_run = true;
        }
        r = ctx->dry_run ? 0 : directory_make(ctx->state_dir, 0700);
        if (r < 0) {
                fprintf(stderr, "cannot make %s: %s\n", ctx->state_dir, strerror(-r));
                return EXIT_UNHEALTHY;
        }
        r = apply_once(ctx, &failure);
        if (r == -EINVAL || r == -EPROTONOSUPPORT || r == -EPERM || r == -ENOENT) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : strerror(-r));
                return EXIT_CONFIGURATION;
        }
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", ctx->plugin->name,
                        failure.message ? failure.message : strerror(-r));
                return EXIT_UNHEALTHY;
        }
        return EXIT_GOOD;
}

static int run_undo(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_failure_ failure = {};
        int r = 0;

        if (argc > 1)
                return usage_error(program_of(ctx->plugin), "undo takes no arguments");
        if (ctx->plugin->undo)
                r = ctx->plugin->undo(ctx, &failure);
        if (r >= 0)
                r = plugin_forget_applied(ctx);
        if (r < 0) {
                fprintf(stderr, "%s: cannot undo: %s\n", ctx->plugin->name,
                        failure.message ? failure.message : strerror(-r));
                return EXIT_UNHEALTHY;
        }
        return EXIT_GOOD;
}

static int print_report(const struct report *report)
{
        char time[TIMESTAMP_SIZE];
        int status = EXIT_GOOD;

        printf("%-12s %s\n", "desired", report->desired ? report->desired : "-");
        printf("%-12s %s\n", "applied", report->applied ? report->applied : "-");
        if (report->last_error)
                printf("%-12s %s\n", "last error", report->last_error);
        printf("%-12s %s\n\n", "reported", timestamp_format(report->generated_usec, time));
        for (size_t i = 0; i < report->n_conditions; i++) {
                const struct condition *condition = &report->conditions[i];

                if (condition_healthy(condition) != 1)
                        status = EXIT_UNHEALTHY;
                printf("%-20s %-8s %-24s since %s\n    %s\n", condition->type,
                       condition_status_name(condition->status), condition->reason,
                       timestamp_format(condition->transition_usec, time), condition->message);
        }
        return report->last_error ? EXIT_UNHEALTHY : status;
}

static int run_status(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_failure_ failure = {};
        bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
        int r;

        if (argc > 1 && !json)
                return usage_error(program_of(ctx->plugin), "status does not know \"%s\"", argv[1]);
        r = report_load(ctx->report_path, &report, &failure);
        if (r < 0) {
                fprintf(stderr, "%s: no report: %s; see systemctl status capi-node-%s.service\n",
                        ctx->report_path, failure.message ? failure.message : strerror(-r),
                        ctx->plugin->name);
                return EXIT_UNHEALTHY;
        }
        if (json) {
                _cleanup_free_ char *text = NULL;
                size_t size;

                r = report_format(report, &text, &size);
                if (r < 0)
                        return EXIT_UNHEALTHY;
                fputs(text, stdout);
                return EXIT_GOOD;
        }
        return print_report(report);
}

static int run_schema(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;

        return config_command_schema(program_of(ctx->plugin), ctx->plugin->config, argc);
}

static const struct command common_commands[] = {
        { "status", "[--json]", run_status, "Show what this capability reports" },
        { "validate", "[FILE]", run_validate, "Say whether a configuration is good" },
        { "apply", "[--dry-run]", run_apply, "Apply the configuration once" },
        { "undo", "", run_undo, "Take back what was applied" },
        { "schema", "", run_schema, "Print the JSON Schema of the configuration" },
        { "daemon", "", run_daemon, "Apply, keep and report (run by systemd)" },
        {},
};

static int make_paths(struct plugin_context *ctx)
{
        _cleanup_free_ char *config = NULL, *state = NULL, *report = NULL;

        if (asprintf(&config, "/etc/capi-node-agent/%s.json", ctx->plugin->name) < 0 ||
            asprintf(&state, "/var/lib/capi-node-agent/%s", ctx->plugin->name) < 0 ||
            asprintf(&report, "/run/capi-node-agent/reports/%s.json", ctx->plugin->name) < 0)
                return -ENOMEM;
        ctx->config_path = path_under(ctx->root, config);
        ctx->state_dir = path_under(ctx->root, state);
        ctx->report_path = path_under(ctx->root, report);
        return ctx->config_path && ctx->state_dir && ctx->report_path ? 0 : -ENOMEM;
}

int plugin_main(const struct plugin *plugin, int argc, char *argv[])
{
        struct plugin_context ctx = { .plugin = plugin, .root = "/" };
        const struct command *tables[] = { common_commands, NULL, NULL };
        int status;

        if (plugin->commands) {
                tables[0] = plugin->commands;
                tables[1] = common_commands;
        }
        umask(0077);
        log_open(plugin->name);
        if (take_root(program_of(plugin), &argc, argv, &ctx.root) != 0)
                return EXIT_USAGE;
        if (make_paths(&ctx) < 0) {
                (void)log_error(-ENOMEM, "Cannot start");
                return EXIT_UNHEALTHY;
        }

        status = command_run(program_of(plugin), tables, argc - 1, argv + 1, &ctx);

        if (plugin->close && ctx.userdata)
                plugin->close(&ctx);
        sd_event_unref(ctx.event);
        free(ctx.config_path);
        free(ctx.state_dir);
        free(ctx.report_path);
        return status;
}
