/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Single settings of the kubelet's configuration, which kubeadm writes as YAML. */

#include <stddef.h>

#include "cleanup.h"

/* The text at a path of keys ("authentication.anonymous.enabled"); owned by the caller, NULL when it is not
 * there. Returns 0, -EBADMSG for what is not YAML, or -ENOMEM. */
int kubelet_config_at(const char *text, size_t size, const char *keys, char **ret);
