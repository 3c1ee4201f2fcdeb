/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What registry-mirror puts into containerd's hosts.toml: STATE/containerd.pem (shared-authorities.h). */

#include "authority.h"

/* Writes the authorities when they are others than are there; none: removes the file. Returns 0, or -errno
 * with a failure (StateNotWritten). */
int shared_write(const char *state_dir, const struct authorities *authorities, struct failure *failure);
