/* SPDX-License-Identifier: Apache-2.0 */

/* registry-mirror: from whom containerd pulls images. */

#include "apply.h"
#include "commands.h"
#include "configuration.h"
#include "mirror-report.h"
#include "shared-authorities.h"
#include "watch.h"

#ifndef VALID_FOR_USEC
#define VALID_FOR_USEC 0 /* as the loop has it */
#endif

static const struct condition_type conditions[] = {
        { .type = CONDITION_REGISTRY_MIRRORS, .severity = SEVERITY_WARNING },
        {},
};

static const struct command commands[] = {
        { "show", "[--json] [--dry-run]", mirror_run_show, "Show who is asked for which registry's images" },
        { "test", "IMAGE [--json]", mirror_run_test,
          "Ask for an image's manifest as containerd does, and say who has it",
          "capi-node registry-mirror test docker.io/library/busybox:latest" },
        {},
};

static const struct plugin plugin = {
        .name = "registry-mirror",
        .summary = "Mirrors that containerd pulls images from",
        .example = "capi-node registry-mirror test docker.io/library/busybox:latest",
        .config = &mirror_config_type,
        .also_for = SHARED_AUTHORITIES,
        .conditions = conditions,
        .valid_for_usec = VALID_FOR_USEC,
        .apply = mirror_apply,
        .undo = mirror_undo,
        .watch = mirror_watch_start,
        .report = mirror_report,
        .rests = mirror_watch_rests,
        .close = mirror_watch_close,
        .commands = commands,
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
