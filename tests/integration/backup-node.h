/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A control plane below a scratch root: a real etcd of about 24 MiB, etcd-backup's configuration, and its
 * programs. */

#include <sys/types.h>

#include "condition.h"
#include "copies.h"
#include "etcd.h"

#define STATE     "var/lib/capi-node-agent/etcd-backup"
#define SNAPSHOTS STATE "/snapshots"
#define CONFIG    "etc/capi-node-agent/etcd-backup.json"
#define REPORT    "run/capi-node-agent/reports/etcd-backup.json"
#define CLUSTER   "test"

extern char *root; /* may be exchanged for a test's own */
extern struct etcd member;

int backup_node_set_up(void **state); /* of the group */
/* The same with an empty etcd of another Debian suite's version, of so many MiB; no etcd before. */
void backup_node_use(const char *suite, unsigned mib, bool tls);
int backup_node_tear_down(void **state);
int backup_node_reset(void **state); /* of each test: no state, no copies, the configuration for the member */

char *under(const char *path); /* ROOT/path, owned by the caller */
void configure_endpoint(const char *endpoint);
void configure_port(unsigned port); /* the member's, or a proxy's in front of it */

/* A test's row with the etcd of a suite, which its set_up gets as *state. Tests of each of the three
 * versions, 3.4, Debian 13's 3.5, and the newest that Debian has, are rows of "bookworm", "trixie" and "sid".
 */
#define TEST_OF(suite, f, set_up, tear_down)                         \
        {                                                            \
                suite ": " #f, f, set_up, tear_down, (void *)(suite) \
        }

/* Whether a shell command, run in the root with set -e, succeeds. */
bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

pid_t start_snapshot(const char *option);
int take_snapshot(void); /* returns the exit status, or -signal */
/* The same, which sees a clock that is so many seconds ahead, while etcd, its certificates and the clocks
 * that nobody sets go on. */
int take_snapshot_at(const char *shift);
int run_plugin(const char *command, const char *option); /* the same; NULL: no option */

struct copies load_copies(void);
/* Every file under SNAPSHOTS belongs to a whole copy, and there are n of them. */
void assert_only_whole_copies(size_t n);
void assert_last_run(const char *reason);

pid_t start_daemon(void); /* the resident part */
/* Ends it, if start_daemon has started it since. Returns its exit status, or -signal. */
int stop_daemon(int signal);
/* That the resident part which runs now reports a condition so. */
void wait_for_condition(enum condition_status status, const char *reason);
void wait_for_message(const char *words); /* the same of one whose message has these */
