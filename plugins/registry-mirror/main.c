/* SPDX-License-Identifier: Apache-2.0 */

/* registry-mirror: from whom containerd pulls images. */

#include "configuration.h"
#include "plugin.h"

static const struct plugin plugin = {
        .name = "registry-mirror",
        .summary = "Mirrors that containerd pulls images from",
        .example = "capi-node registry-mirror show\n"
                   "  capi-node registry-mirror test docker.io/library/busybox:latest",
        .config = &mirror_config_type,
        .conditions =
                (const struct condition_type[]){ { "RegistryMirrorsReady", SEVERITY_WARNING, false }, {} },
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
