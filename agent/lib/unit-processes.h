/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Since when a service runs, by its control group: for plugins, which must not reach D-Bus. */

#include <stdint.h>

/* Where the services' control groups are: in the unified hierarchy (cgroups(7)), or in systemd's own beside
 * those of version 1. Owned by the caller; NULL: no memory. */
char *services_directory(const char *root);

/* When the oldest process of the service started, by CLOCK_BOOTTIME: the main one, or a helper of its time;
 * containerd's shims, which outlive its restarts, do not count. The end of the clock's tick, so that what
 * starts right behind a change is not taken for older. Returns 0, or -ESRCH when none runs. */
int service_started(const char *directory, const char *unit, uint64_t *ret_usec);
