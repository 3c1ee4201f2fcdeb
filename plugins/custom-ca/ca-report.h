/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "authority.h"
#include "plugin.h"

int ca_report(struct plugin_context *ctx, struct report *report);

/* Appends each authority as reports have it; known: the system trusts it by itself. Returns 0 or -ENOMEM. */
int ca_describe(json_object *array, const struct authorities *authorities, bool known);
