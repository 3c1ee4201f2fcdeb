/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands `validate` and `schema`, as every program with a configuration has them. Both return an exit
 * status and say on standard error what was wrong. */

#include "command.h"
#include "config.h"

/* validate [FILE]: without FILE, the type's own ROOT/etc/capi-node-agent/NAME.json. */
int config_command_validate(const struct program *program, const struct config_type *type, const char *root,
                            int argc, char *argv[]);
int config_command_schema(const struct program *program, const struct config_type *type, int argc);
