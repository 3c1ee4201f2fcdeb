/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/lock: one at a time of all that works on this node's etcd member (snapshot, drill, defragmentation,
 * restore). A snapshot holds a read transaction that a defragmentation waits for with all its locks held
 * (measured: every request blocked for 48 s), and a restore takes the database away from all of them. The
 * kernel drops the lock with its holder, however that one dies. The file and its flock(2) are a promise to
 * other programs (capi-node-etcd-backup(8), INTERLOCK). */

#define LOCK_WHO_SIZE 160

/* Returns 0 with a descriptor that holds the lock for this work; or -EBUSY and, for a person, who has it: one
 * of ours with its work and process, or a program that takes it by flock(1) and does not say what for. */
int lock_take(const char *state_dir, const char *work, int *ret_fd, char ret_who[static LOCK_WHO_SIZE]);

/* The same, after up to so many seconds in which another holds it. */
int lock_wait(const char *state_dir, const char *work, unsigned seconds, int *ret_fd,
              char ret_who[static LOCK_WHO_SIZE]);
