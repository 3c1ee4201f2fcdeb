/* SPDX-License-Identifier: Apache-2.0 */

/* custom-ca: certificate authorities that this node trusts besides the system's, or no longer. */

#include "apply.h"
#include "ca-report.h"
#include "list.h"
#include "watch.h"

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
        .rests = ca_watch_rests,
        .close = ca_watch_close,
        .commands =
                (const struct command[]){
                        { "list", "[--json]", list,
                          "Show the authorities, when they expire, and who installed them" },
                        {},
                },
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
