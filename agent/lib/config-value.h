/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Values without keys of their own: from JSON into a member of the configuration's struct. Part of config.c.
 */

#include "config-refusal.h"

/* Reads a value of any kind but OBJECT, OBJECTS and MAP. Returns 0, -EINVAL with a failure, or -ENOMEM; what
 * the member then holds, config_free can free. */
int read_scalar(const struct config_key *key, json_object *value, const struct place *place, void *member,
                struct failure *failure);
