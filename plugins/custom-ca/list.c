/* SPDX-License-Identifier: Apache-2.0 */

#include "list.h"

#include <string.h>

#include "apply.h"
#include "ca-report.h"
#include "desired.h"
#include "timestamp.h"
#include "x509.h"

static void print_rows(const struct authorities *authorities, const char *where)
{
        for (size_t i = 0; i < authorities->count; i++) {
                char time[TIMESTAMP_SIZE];

                printf("%-24s  %-24s  %-9s  %s\n", authorities->items[i].name,
                       timestamp_format(certificate_not_after(authorities->items[i].certificate), time),
                       where, authorities->items[i].fingerprint);
        }
}

static void print_table(const struct desired *desired)
{
        printf("%-24s  %-24s  %-9s  %s\n", "NAME", "EXPIRES", "STORE", "FINGERPRINT");
        print_rows(&desired->wanted, "installed");
        print_rows(&desired->known, "system");
}

/* As in the report's info. */
static int print_json(const struct desired *desired)
{
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        r = array ? ca_describe(array, &desired->wanted, false) : -ENOMEM;
        if (r >= 0)
                r = ca_describe(array, &desired->known, true);
        if (r >= 0)
                printf("%s\n", json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY |
                                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
        return r;
}

static int load(struct plugin_context *ctx, struct desired *ret, struct failure *failure)
{
        _cleanup_(trust_store_clear) struct trust_store store = {};
        void *config = NULL;
        int r;

        r = plugin_load_config(ctx, &config, failure);
        if (r >= 0)
                r = trust_store_init(&store, ctx->root);
        if (r >= 0)
                r = desired_load(config, &store, ret, failure);
        config_free(&custom_ca_config_type, config);
        return r;
}

int list(int argc, char *argv[], void *userdata)
{
        bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
        _cleanup_desired_ desired = {};
        _cleanup_failure_ failure = {};
        int r;

        if (argc > 1 && !json) {
                fprintf(stderr,
                        "capi-node custom-ca: list does not know \"%s\" (try capi-node custom-ca --help)\n",
                        argv[1]);
                return EXIT_USAGE;
        }
        r = load(userdata, &desired, &failure);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
                return r == -ENOENT ? EXIT_UNHEALTHY : EXIT_CONFIGURATION;
        }
        if (json)
                return print_json(&desired) < 0 ? EXIT_UNHEALTHY : EXIT_GOOD;
        print_table(&desired);
        return EXIT_GOOD;
}
