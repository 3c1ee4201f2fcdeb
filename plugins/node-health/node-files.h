/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What kubeadm's YAML files say: the arguments of a static pod, single settings of the kubelet. */

#include <stddef.h>

#include "cleanup.h"

struct arguments {
        char **items; /* "--name=value", as written */
        size_t count;
};
void arguments_clear(struct arguments *arguments);

/* The arguments of the containers of a pod's manifest. Returns 0, -EBADMSG for what is not YAML, or -ENOMEM.
 */
int manifest_parse(const char *text, size_t size, struct arguments *ret);

/* The same of a file below root. Returns -errno of reading, too. */
int manifest_read(const char *root, const char *path, struct arguments *ret);

/* The value of "--name=value"; of an argument given twice the last, as the components take it. NULL: it is
 * not there. */
const char *argument_value(const struct arguments *arguments, const char *name);

/* The text at a path of keys ("authentication.anonymous.enabled") of a YAML mapping; owned by the caller,
 * NULL when it is not there. Returns 0, -EBADMSG or -ENOMEM. */
int yaml_text_at(const char *text, size_t size, const char *keys, char **ret);
