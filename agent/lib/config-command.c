/* SPDX-License-Identifier: Apache-2.0 */

#include "config-command.h"

#include <string.h>

#include "files.h"

static int check_file(const struct config_type *type, const char *path, struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        void *config = NULL;
        size_t size;
        int r;

        r = file_read(path, CONFIG_SIZE_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "ConfigurationUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        r = config_parse(type, path, text, size, &config, failure);
        config_free(type, config);
        return r;
}

int config_command_validate(const struct program *program, const struct config_type *type, const char *root,
                            int argc, char *argv[])
{
        _cleanup_free_ char *name = NULL, *own = NULL;
        _cleanup_failure_ failure = {};
        const char *path;
        int r;

        if (argc > 2)
                return usage_error(program, "validate takes one file");
        if (asprintf(&name, "/etc/capi-node-agent/%s.json", type->name) < 0) {
                name = NULL;
                return EXIT_UNHEALTHY;
        }
        own = path_under(root, name);
        path = argc == 2 ? argv[1] : own;
        if (!path)
                return EXIT_UNHEALTHY;
        r = check_file(type, path, &failure);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : strerror(-r));
                return EXIT_CONFIGURATION;
        }
        printf("%s: good\n", path);
        return EXIT_GOOD;
}

int config_command_schema(const struct program *program, const struct config_type *type, int argc)
{
        _cleanup_free_ char *schema = NULL;

        if (argc > 1)
                return usage_error(program, "schema takes no arguments");
        schema = config_schema(type);
        if (!schema)
                return EXIT_UNHEALTHY;
        puts(schema);
        return EXIT_GOOD;
}
