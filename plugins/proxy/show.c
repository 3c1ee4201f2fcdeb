/* SPDX-License-Identifier: Apache-2.0 */

#include "show.h"

#include <string.h>

#include "credentials.h"
#include "drop-in.h"
#include "json.h"
#include "plugin.h"
#include "settings.h"

static int show_json(const struct proxy_config *config, const struct settings *settings)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *variables = json_object_new_object(), *units = json_object_new_array();
        int r;

        r = json_set(object, "variables", variables);
        r |= json_set(object, "units", units);
        for (size_t i = 0; r == 0 && i < VARIABLES; i++) {
                const char *value = settings_value(settings, i);
                _cleanup_free_ char *hidden = value ? credentials_hide(value) : NULL;

                if (value)
                        r = hidden ? json_set_string(variables, variable_names[i], hidden) : -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < config->units.count; i++)
                r = json_append(units, json_object_new_string(config->units.items[i]));
        if (r == 0)
                printf("%s\n",
                       json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                      JSON_C_TO_STRING_NOSLASHESCAPE));
        return r;
}

static int show_units(const char *root, const struct proxy_config *config)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < config->units.count; i++) {
                _cleanup_strings_ shadowing = {}, overridden = {};

                r = drop_ins_look(root, config->units.items[i], &shadowing, &overridden);
                if (r < 0)
                        return r;
                printf("%s\n", config->units.items[i]);
                for (size_t k = 0; k < shadowing.count; k++)
                        printf("    shadowed by %s\n", shadowing.items[k]);
                for (size_t k = 0; k < overridden.count; k++)
                        printf("    overrides   %s\n", overridden.items[k]);
        }
        return r;
}

static int show_text(const char *root, const struct proxy_config *config, const struct settings *settings)
{
        for (size_t i = 0; i < VARIABLES; i += 2) {
                const char *value = settings_value(settings, i);
                _cleanup_free_ char *hidden = value ? credentials_hide(value) : NULL;

                if (hidden)
                        printf("%s=%s\n", variable_names[i], hidden);
        }
        printf("\n");
        return show_units(root, config);
}

int show(int argc, char *argv[], void *userdata)
{
        bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
        struct plugin_context *ctx = userdata;
        _cleanup_settings_ settings = {};
        _cleanup_failure_ failure = {};
        void *config = NULL;
        int r;

        if (argc > 1 && !json) {
                fprintf(stderr, "capi-node proxy: show does not know \"%s\"\n", argv[1]);
                return EXIT_USAGE;
        }
        r = plugin_load_config(ctx, &config, &failure);
        if (r >= 0)
                r = settings_make(ctx->root, config, &settings, &failure);
        if (r >= 0)
                r = json ? show_json(config, &settings) : show_text(ctx->root, config, &settings);
        config_free(&proxy_config_type, config);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
                return r == -ENOENT ? EXIT_UNHEALTHY : EXIT_CONFIGURATION;
        }
        return EXIT_GOOD;
}
