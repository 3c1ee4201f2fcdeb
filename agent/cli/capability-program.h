/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The programs of the capabilities, as installed: PLUGINS/NAME for a plugin; the agent's and the gateway's
 * own. */

#include <stdbool.h>

#include "cleanup.h"

bool capability_exists(const char *name);
bool capability_is_plugin(const char *name);

/* Names of all installed capabilities; the array and each name are owned by the caller. Returns 0 or -errno.
 */
int capability_names(char ***ret_names, size_t *ret_count);

/* Runs the program with the arguments (NULL-terminated) and waits. Returns its exit status, or EXIT_UNHEALTHY
 * with one line on standard error when it could not be run or was killed. */
int capability_run(const char *name, const char *const *arguments);

/* Becomes the program. Returns EXIT_UNHEALTHY, with one line on standard error, only when that fails. */
int capability_exec(const char *name, char *const *arguments);
