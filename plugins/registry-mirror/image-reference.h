/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The name of an image, as the kubelet gives it to containerd (distribution/reference: normalize.go). */

#include <stdbool.h>

#include "failure.h"

struct image_reference {
        char *host;       /* "docker.io" */
        char *repository; /* "library/busybox" */
        char *object;     /* "latest", or "sha256:…", which goes before a tag */
        bool is_digest;
};
#define _cleanup_image_ _cleanup_(image_reference_clear) struct image_reference
void image_reference_clear(struct image_reference *image);

/* Returns 0, -EINVAL with a failure (InvalidImage), or -ENOMEM. */
int image_reference_parse(const char *text, struct image_reference *ret, struct failure *failure);
