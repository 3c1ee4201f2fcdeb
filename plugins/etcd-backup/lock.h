/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/lock: one at a time of all that works on this node's etcd member (snapshot, drill, defragmentation,
 * restore). A snapshot holds a read transaction that a defragmentation waits for with all its locks held
 * (measured: every request blocked for 48 s), and a restore takes the database away from all of them. The
 * kernel drops the lock with its holder, however that one dies. */

#include <sys/types.h>

struct lock_holder {
        pid_t pid;     /* 0: not known */
        char work[32]; /* "snapshot"; "something": not known */
};

/* Returns 0 with a descriptor that holds the lock for this work, or -EBUSY with its holder. */
int lock_take(const char *state_dir, const char *work, int *ret_fd, struct lock_holder *ret_holder);
