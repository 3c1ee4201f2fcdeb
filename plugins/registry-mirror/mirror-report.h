/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plugin.h"
#include "publish.h"

int mirror_report(struct plugin_context *ctx, struct report *report);

/* {"containerd": …, "registries": […], "foreignDirectories": […]}: what is published, without secrets. Also
 * what `show --json` prints. */
int mirror_describe(const struct mirror_plan *plan, const struct mirror_facts *facts, json_object **ret);
