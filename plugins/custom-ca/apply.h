/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plugin.h"
#include "trust-change.h"

int custom_ca_apply(struct plugin_context *ctx, const void *config, struct failure *failure);
int custom_ca_undo(struct plugin_context *ctx, struct failure *failure);

/* STATE/lock, for as long as the descriptor lives. Returns it, -EBUSY, or another -errno; each with a
 * failure. */
int trust_lock(const char *state_dir, struct failure *failure);

/* What follows a change that is in force: its record, and the file that registry-mirror reads. */
int trust_changed(const char *state_dir, const struct trust_change *change,
                  const struct custom_ca_config *config, const struct authorities *known,
                  struct failure *failure);
