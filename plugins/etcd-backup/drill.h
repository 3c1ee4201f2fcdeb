/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The restore drill: a copy is restored into a scratch directory by the program that a restore would use, the
 * node's own etcd is started on it, listening on a Unix socket that only root can reach, and HashKV of what
 * it holds is compared with that of the member that the copy was taken from. Then everything goes again.
 *
 * Of plain copies it is the newest at the first target that has one. What is encrypted nobody on the node can
 * open, by intention: there the drill takes a snapshot of its own. That proves the way back (etcd's programs,
 * disk, time) with this cluster's data; that the stored bytes hold such a snapshot was proven when they were
 * written, with the copy's own key. The message says which of the two it was. */

#include "configuration.h"

/* Writes STATE/drill.json. Returns an exit status. */
int drill_run(const char *root, const char *state_dir, const struct backup_config *config);
