/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plugin.h"

int mirror_apply(struct plugin_context *ctx, const void *config, struct failure *failure);
int mirror_undo(struct plugin_context *ctx, struct failure *failure);
