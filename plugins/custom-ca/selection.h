/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/ca-certificates.conf, update-ca-certificates(8): a line names a file below /usr/share/ca-certificates;
 * "!" in front of it takes the authority out, and the package's upgrades keep that. */

#include <stdbool.h>

#include "config.h"
#include "fingerprints.h"

/* The fingerprints of all files that are selected; those that do not exist count for nothing. */
int selection_fingerprints(const char *path, const char *shared, struct fingerprints *ret);

/* Puts "!" before the selected lines whose certificate is in `distrust`, and takes it from the lines in
 * `ours` (those that we put it before) whose certificate is not. What is ours afterwards is *ret_ours, one
 * line after the other, owned by the caller; *ret_text is the new text, NULL when nothing changes. Returns 0
 * or -errno. */
int selection_change(const char *path, const char *shared, const struct config_strings *distrust,
                     const char *ours, char **ret_text, char **ret_ours);
