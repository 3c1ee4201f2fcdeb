/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Running the real programs below a scratch root, and waiting for what they do, with a deadline. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Nothing that is waited for takes long; a sanitizer on a busy machine does. Only a test that fails waits for
 * its end. */
#define DEADLINE_SECONDS 180
/* How many times as long everything may take on this machine: TEST_PATIENCE in the environment, or 1.
 * tests/kernels sets it, whose machine has no processor of its own. What this file waits for heeds it. */
unsigned test_patience(void);

/* A fresh directory with etc/capi-node-agent, run/capi-node-agent/reports and var/lib/capi-node-agent. Fails
 * the test when that is not possible. Owned by the caller, removed by root_remove. */
char *root_make(void);
void root_remove(char *root);

/* Writes ROOT/path (below etc/capi-node-agent for configurations) with the mode. */
void root_write(const char *root, const char *path, const char *text, mode_t mode);
char *root_read(const char *root, const char *path); /* NULL when it is not there; owned by the caller */
bool root_has(const char *root, const char *path);

/* The root file system of another Debian suite's packages (tests/chroot), which is fetched at first: not from
 * within a network of one's own. Fails the test when there is none. Owned by the caller. */
char *root_of_suite(const char *suite, const char *packages);

/* A TCP port on which nobody listens, for a server that is started with it, and started again: as long as the
 * test runs, no other test gets it. */
uint16_t free_port(void);

/* Starts a program that was built here; arguments end with NULL. Both its outputs go to the standard error of
 * the test. */
pid_t program_start(const char *program, const char *const *arguments);
/* Programs that are started from now on, and what they share with this one, take it for a standstill of their
 * peer when it sends nothing for so long; NULL: as long as in earnest, so that a slow machine is none. */
void program_stall_after(const char *seconds);
/* Waits for the end. Returns the exit status, or -signal. Fails the test at the deadline. */
int program_wait(pid_t pid);
int program_stop(pid_t pid, int signal);

/* wait_until with a longer deadline, for what is slow by design. */
void wait_longer(unsigned seconds, bool (*done)(void *userdata), void *userdata, const char *what);

/* Calls done(userdata) until it returns true; fails the test with `what` at the deadline. */
void wait_until(bool (*done)(void *userdata), void *userdata, const char *what);
