/* SPDX-License-Identifier: Apache-2.0 */

/* custom-ca: certificate authorities that this node trusts besides the system's, or no longer. */

#include <string.h>

#include "apply.h"
#include "ca-report.h"
#include "desired.h"
#include "timestamp.h"
#include "watch.h"
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

static int list(int argc, char *argv[], void *userdata)
{
        _cleanup_(trust_store_clear) struct trust_store store = {};
        _cleanup_desired_ desired = {};
        _cleanup_failure_ failure = {};
        struct plugin_context *ctx = userdata;
        void *config = NULL;
        int r;

        r = plugin_load_config(ctx, &config, &failure);
        if (r >= 0)
                r = trust_store_init(&store, ctx->root);
        if (r >= 0)
                r = desired_load(config, &store, &desired, &failure);
        config_free(&custom_ca_config_type, config);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
                return r == -ENOENT ? EXIT_UNHEALTHY : EXIT_CONFIGURATION;
        }
        printf("%-24s  %-24s  %-9s  %s\n", "NAME", "EXPIRES", "STORE", "FINGERPRINT");
        print_rows(&desired.wanted, "installed");
        print_rows(&desired.known, "system");
        return EXIT_GOOD;
}

static const struct plugin plugin = {
        .name = "custom-ca",
        .summary = "Certificate authorities that this node trusts",
        .example = "capi-node custom-ca list\n"
                   "  capi-node custom-ca apply --dry-run",
        .config = &custom_ca_config_type,
        .conditions =
                (const struct condition_type[]){ { CONDITION_CUSTOM_CAS, SEVERITY_WARNING, false }, {} },
        .apply = custom_ca_apply,
        .undo = custom_ca_undo,
        .watch = ca_watch_start,
        .report = ca_report,
        .close = ca_watch_close,
        .commands =
                (const struct command[]){
                        { "list", "", list,
                          "Show the authorities, when they expire, and who installed them" },
                        {},
                },
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
