/* SPDX-License-Identifier: Apache-2.0 */

/* proxy: services of this node reach the world through a proxy, and the cluster directly. */

#include "apply.h"
#include "show.h"
#include "watch.h"

static const struct plugin plugin = {
        .name = "proxy",
        .summary = "The proxy that services of this node use",
        .example = "capi-node proxy show\n"
                   "  capi-node proxy apply --dry-run",
        .config = &proxy_config_type,
        .conditions = (const struct condition_type[]){ { CONDITION_PROXY, SEVERITY_WARNING, false }, {} },
        .apply = proxy_apply,
        .undo = proxy_undo,
        .watch = proxy_watch_start,
        .report = proxy_report,
        .rests = proxy_watch_rests,
        .close = proxy_watch_close,
        .commands =
                (const struct command[]){
                        { "show", "[--json]", show,
                          "Show the variables that units get, and what shadows them" },
                        {},
                },
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
