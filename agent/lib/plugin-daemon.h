/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The resident part of the plugin loop, apart from the commands in plugin.c. */

#include "plugin.h"

/* Runs until the configuration is withdrawn or SIGTERM comes. Returns an exit status. */
int plugin_daemon_run(struct plugin_context *ctx);

/* Reads the configuration file. Returns -ENOENT without one, -EPERM when others could write it, -EINVAL when
 * it is invalid. ret_text (NUL-terminated) is set, for the record and the digest, also when only parsing
 * failed. */
int plugin_read_config(struct plugin_context *ctx, char **ret_text, void **ret_config,
                       struct failure *failure);

/* STATE/applied: the text of the last good configuration. */
int plugin_save_applied(struct plugin_context *ctx, const char *text);
int plugin_load_applied(struct plugin_context *ctx, char **ret_text, void **ret_config,
                        struct failure *failure);
int plugin_forget_applied(struct plugin_context *ctx);
