/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "configuration.h"
#include "last-change.h"
#include "plugin.h"
#include "settings.h"

int proxy_apply(struct plugin_context *ctx, const void *config, struct failure *failure);
int proxy_undo(struct plugin_context *ctx, struct failure *failure);

/* Makes files and records so. Returns how many files changed, or -errno with a failure. */
int settings_apply(struct plugin_context *ctx, const struct proxy_config *config,
                   const struct settings *settings, struct failure *failure);

/* When a unit's settings last changed, or (DROP_INS) the set of drop-ins. Empty: never. */
#define DROP_INS "drop-ins"
void change_of(const struct plugin_context *ctx, const char *name, struct last_change *ret);
