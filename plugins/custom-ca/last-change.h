/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/changed.json: when this plugin last changed the trust store, and what it then was. */

#include "digest.h"

struct last_change {
        char bundle[SHA256_TEXT_SIZE]; /* of the bundle's bytes; empty: never changed */
        uint64_t realtime_usec;
        uint64_t boottime_usec; /* 0: in an earlier boot, whose programs are all gone */
};

int last_change_load(const char *state_dir, struct last_change *ret);

/* The change is now. */
int last_change_save(const char *state_dir, const char *bundle_path);
