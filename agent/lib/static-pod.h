/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What stands in the manifests of kubeadm's static pods, read line by line: kubeadm writes one argument or
 * key on a line. */

#include <stdbool.h>
#include <stddef.h>

#define STATIC_POD_VALUE_SIZE 256

/* The text of /etc/kubernetes/manifests/NAME.yaml; owned by the caller. Returns -ENOENT or another -errno. */
int static_pod_load(const char *root, const char *name, char **ret_text);

/* The value of the argument `--NAME=VALUE`, without quotes. False when it is not there, or does not fit. */
bool static_pod_argument(const char *manifest, const char *name, char ret[static STATIC_POD_VALUE_SIZE]);

/* What stands behind the last colon of the first `image:`, without a digest. False when there is none. */
bool static_pod_tag(const char *manifest, char ret[static STATIC_POD_VALUE_SIZE]);
