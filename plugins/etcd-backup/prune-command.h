/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `prune [--dry-run] [--target NAME] [--json]`: the retention by hand. userdata is the root directory.
 * Returns an exit status. */
int prune_run(int argc, char *argv[], void *userdata);
