/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Directories of others below certs.d: containerd takes the first that is there, whatever is in it. */

#include "owned-files.h"
#include "publish.h"

/* Whether somebody else's directory is where the file would go; then it is noted in the facts. host: whose
 * file it is. Returns 1, 0, or -errno. */
int shadows_in_place(const struct plugin_context *ctx, struct mirror_facts *facts,
                     const struct owned_file *file, const char *host);

/* Notes those that keep the plan's default, if it has one, from the registries that they are named after. */
int shadows_of_default(const struct plugin_context *ctx, const struct mirror_plan *plan,
                       struct mirror_facts *facts);
