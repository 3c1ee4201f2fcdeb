/* SPDX-License-Identifier: Apache-2.0 */

#include <malloc.h>

#include "commands.h"
#include "filter-config.h"
#include "plugin.h"
#include "service.h"

static const struct condition_type conditions[] = {
        { .type = CONDITION_READY, .severity = SEVERITY_WARNING },
        { .type = CONDITION_EFFECTIVE, .severity = SEVERITY_WARNING },
        {},
};

static const struct command commands[] = {
        { "show", "[--json]", filter_run_show, "Show the lists, the counters and who was refused" },
        { "preview", "[FILE]", filter_run_preview, "Show who is connected now and would be cut off",
          "capi-node kube-api-filter preview /root/new.json" },
        { "test", "ADDRESS[:PORT]", filter_run_test, "Say whether a source is let in, by which rule",
          "capi-node kube-api-filter test 198.51.100.7" },
        { "apply", "[--dry-run] [--confirm TIME] [--force]", filter_run_apply,
          "Put the configured list on trial now", "capi-node kube-api-filter apply --confirm 10m" },
        { "confirm", "", filter_run_confirm, "Keep the list that is on trial" },
        { "rollback", "", filter_run_rollback, "Go back to the list before" },
        { "disable", "[--for TIME]", filter_run_disable, "Let everyone in for a while (30m)",
          "capi-node kube-api-filter disable --for 10m" },
        { "enable", "", filter_run_enable, "End that" },
        {},
};

static const struct plugin plugin = {
        .name = "kube-api-filter",
        .summary = "Let only listed networks reach the Kubernetes API",
        .example = "capi-node kube-api-filter test 203.0.113.7",
        .config = &filter_config_type,
        .conditions = conditions,
        .apply = service_apply,
        .undo = service_undo,
        .watch = service_watch,
        .report = service_report,
        .close = service_close,
        .commands = commands,
};

int main(int argc, char *argv[])
{
        /* Long lists come and go whole. glibc would otherwise raise the threshold with the first one, put the
         * next into the heap, and keep the holes. */
        (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
        return plugin_main(&plugin, argc, argv);
}
