/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Single settings of the YAML files that kubeadm reads and writes. */

#include <stddef.h>

#include "cleanup.h"

/* The text at a path of keys ("networking.podSubnet") in the first of the file's documents that has it; owned
 * by the caller, NULL when none has. Returns 0, -EBADMSG for what is not YAML, or -ENOMEM. */
int yaml_setting(const char *text, size_t size, const char *keys, char **ret);
