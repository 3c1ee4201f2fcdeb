/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Programs that read the trust store when they start (every Go program does: crypto/x509 loads the roots
 * once) and started before it changed. */

#include <stdint.h>

#include "config.h"

/* The services of system.slice whose first process started before changed_usec (CLOCK_BOOTTIME); those of
 * systemd itself and ours left out. By control groups, since this plugin must not reach D-Bus. At most 64.
 * Owned by the caller, freed with stale_units_clear. Returns 0 or -ENOMEM; what cannot be read is passed
 * over. */
int stale_units(const char *services, uint64_t changed_usec, struct config_strings *ret);
void stale_units_clear(struct config_strings *units);
