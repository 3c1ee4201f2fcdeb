/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One JSON object in a file of a program's own state. */

#include "json.h"

/* Returns 0; file_read's errors, -EINVAL when it is not one JSON object, or -ENOMEM. */
int json_load(const char *path, size_t max, json_object **ret);

/* file_write, 0600. Tried a second time after -ENOENT: a plugin that starts just now sweeps the temporary
 * files in its state. */
int json_save(const char *path, json_object *object);
