/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which containerd reads what is written. All zero: unknown, and then only what 1.6 understands is written.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

struct containerd_version {
        unsigned major, minor, patch;
};

#define CONTAINERD_VERSION_SIZE 40

/* "v1.7.24", "1.6.20~ds1", "2.1.0-rc.1": the three numbers. Returns 0, or -EINVAL. */
int containerd_version_parse(const char *text, struct containerd_version *ret);

/* "1.7.24", or "unknown". */
char *containerd_version_format(const struct containerd_version *version,
                                char buffer[static CONTAINERD_VERSION_SIZE]);

bool containerd_version_known(const struct containerd_version *version);
bool containerd_version_at_least(const struct containerd_version *version, unsigned major, unsigned minor);
bool containerd_version_same(const struct containerd_version *a, const struct containerd_version *b);

/* VersionResponse of containerd.services.version.v1.Version: version is 1. Returns 0, or -EBADMSG. */
int containerd_version_read(const uint8_t *message, size_t size, struct containerd_version *ret);
