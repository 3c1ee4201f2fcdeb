/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/targets/NAME.json: what the last run saw at a target that the resident part cannot look into, because
 * that takes the network. */

#include <stdint.h>

#include "cleanup.h"
#include "failure.h"
#include "manifest.h"

struct target_state {
        struct manifest *newest; /* of this node's whole copies there; NULL: none */
        uint64_t copies;         /* this node's whole ones */
        struct failure failure;  /* of the last run; empty: it had none */
};
#define _cleanup_target_state_ _cleanup_(target_state_clear) struct target_state
void target_state_clear(struct target_state *state);

/* -ENOENT when no run was there yet; -EINVAL for a file that is not of the form. */
int target_state_load(const char *state_dir, const char *target, struct target_state *ret);
int target_state_save(const char *state_dir, const char *target, const struct target_state *state);

/* Removes what was kept of every target. Returns 0, also when there was nothing, or -errno. */
int target_states_forget(const char *state_dir);
