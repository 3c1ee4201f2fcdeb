/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/NAME.json: when a plugin last changed something that programs read when they start, and what it then
 * was. */

#include "digest.h"

struct last_change {
        char of[SHA256_TEXT_SIZE]; /* of what was changed; empty: never */
        uint64_t realtime_usec;
        uint64_t boottime_usec; /* 0: in an earlier boot, whose programs are all gone */
};

/* Returns 0, or -ENOENT or another -errno when there is none to be read. */
int last_change_load(const char *state_dir, const char *name, struct last_change *ret);

/* The change is now. */
int last_change_save(const char *state_dir, const char *name, const char *of);
int last_change_forget(const char *state_dir, const char *name);
