/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copies of certificates and keys that hosts.toml names, below MIRROR_FILES. */

#include "plan.h"

/* Writes those that are not there: certificates 0644, keys 0600. Returns 0, or -errno with a failure
 * (StateNotWritten). */
int copies_write(const char *root, const struct mirror_plan *plan, struct failure *failure);

/* Whether there are none that the plan does not name. */
bool copies_are_swept(const char *root, const struct mirror_plan *plan);

/* Removes those that the plan does not name; NULL: all. Returns 0 or -errno. */
int copies_sweep(const char *root, const struct mirror_plan *plan);
