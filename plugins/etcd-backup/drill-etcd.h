/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An etcd of the drill's own. */

#include <sys/types.h>

#include "etcd-call.h"
#include "etcd-tool.h"

/* The member that the restored data must be of. */
#define DRILL_MEMBER   "drill"
#define DRILL_PEER_URL "http://localhost:2380" /* only a name: nothing listens there */

struct drill_etcd {
        pid_t pid;
        struct etcd_peer peer;
};

/* Starts it in the directory, on the data in DIRECTORY/data, and waits until it answers linearizable reads.
 * Its log is DIRECTORY/etcd.log. On failure nothing runs. */
int drill_etcd_start(const struct etcd_tool *tool, const char *directory, struct drill_etcd *ret,
                     struct failure *failure);
void drill_etcd_stop(struct drill_etcd *etcd);
