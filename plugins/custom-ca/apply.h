/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plugin.h"
#include "trust-change.h"

#define CHANGED "changed" /* the record of the store's last change */

int custom_ca_apply(struct plugin_context *ctx, const void *config, struct failure *failure);
int custom_ca_undo(struct plugin_context *ctx, struct failure *failure);

/* STATE/lock, for as long as the descriptor lives. Returns it, -EBUSY, or another -errno; each with a
 * failure. */
int trust_lock(const char *state_dir, struct failure *failure);

/* Records a change that is in force, if update-ca-certificates ran for it. */
int trust_changed(const char *state_dir, const struct trust_change *change, struct failure *failure);
