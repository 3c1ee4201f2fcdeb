/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/lock: one snapshot at a time. The kernel drops the lock with its holder, however that one dies. */

#include <sys/types.h>

/* Returns 0 with a descriptor that holds the lock, or -EBUSY with *ret_holder, 0 when it is not known. */
int lock_take(const char *state_dir, int *ret_fd, pid_t *ret_holder);
