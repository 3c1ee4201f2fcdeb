/* SPDX-License-Identifier: Apache-2.0 */

#include "commands.h"

#include <string.h>

#include "mirror-report.h"
#include "probe-report.h"
#include "publish.h"

static void print_chain(const struct mirror_chain *chain)
{
        printf("%s\n", chain->host ?: "(all others)");
        if (chain->of) {
                printf("  as %s\n", chain->of);
                return;
        }
        for (size_t i = 0; i < chain->n_hosts; i++) {
                const struct mirror_endpoint *endpoint = chain->hosts[chain->order.hosts[i]]->endpoint;

                printf("  %s ", endpoint->url);
                for (size_t k = 0; k < endpoint->capabilities.count; k++)
                        printf("%s%s", k > 0 ? "," : " ", endpoint->capabilities.items[k]);
                putchar('\n');
        }
        printf("  %s\n",
               chain->fallback ? "the registry itself" : "nobody else: the registry itself is never asked");
}

static void print_plan(const struct mirror_plan *plan, const struct mirror_facts *facts)
{
        char version[CONTAINERD_VERSION_SIZE];

        for (size_t i = 0; i < plan->n_chains; i++)
                print_chain(&plan->chains[i]);
        printf("\ncontainerd %s, %s\n", containerd_version_format(&facts->containerd.version, version),
               facts->directory);
        if (facts->config_failure.reason)
                printf("%s\n", facts->config_failure.message);
        for (size_t i = 0; i < facts->n_shadows; i++)
                printf("not ours: %s\n", facts->shadows[i].directory);
}

/* What would be published: nothing is written. */
static int look(struct plugin_context *ctx, bool json, struct failure *failure)
{
        _cleanup_facts_ facts = {};
        _cleanup_plan_ plan = {};
        _cleanup_json_ json_object *info = NULL;
        bool differences = ctx->dry_run;
        void *config = NULL;
        int r;

        r = plugin_load_config(ctx, &config, failure);
        if (r >= 0)
                r = mirror_plan_load(config, ctx->root, &plan, failure);
        if (r >= 0)
                r = mirror_examine(ctx, config, &plan, differences ? stdout : NULL, &facts, failure);
        if (r >= 0 && json)
                r = mirror_describe(&plan, &facts, &info);
        if (r >= 0 && json)
                puts(json_object_to_json_string_ext(info, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
        else if (r >= 0 && !differences)
                print_plan(&plan, &facts);
        if (r >= 0 && !json && !differences)
                probe_print(ctx->report_path);
        config_free(&mirror_config_type, config);
        return r;
}

int mirror_run_show(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_failure_ failure = {};
        bool json = false;
        int r;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0) {
                        json = true;
                } else if (strcmp(argv[i], "--dry-run") == 0) {
                        ctx->dry_run = true;
                } else {
                        fprintf(stderr, "capi-node registry-mirror: show does not know \"%s\"\n", argv[i]);
                        return EXIT_USAGE;
                }
        }
        r = look(ctx, json, &failure);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
                return r == -EINVAL || r == -ENOENT ? EXIT_CONFIGURATION : EXIT_UNHEALTHY;
        }
        return EXIT_GOOD;
}
