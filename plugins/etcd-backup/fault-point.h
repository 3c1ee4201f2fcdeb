/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the tests kill a snapshot, each at a state that a crash may leave. In the program that is installed
 * these are nothing; etcd-snapshot-faults, which only a build with -Dtests=true has, dies by SIGKILL at the
 * one that the variable FAULT_POINT of its environment names. */

/* In the order in which a run comes by: the steps of snapshot.c, and what lies between them. */
#define FAULT_POINT_NAMES                                                                                    \
        "opened", "source-checked", "members-listed", "named", "first-message", "archive-begun", "received", \
                "walked", "archive-finished", "synced", "read-back", "verified", "archive-published",        \
                "manifest-published", "published", "delivered", "pruned", "surveyed"

#ifdef FAULT_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void fault_point(const char *name)
{
        const char *wanted = getenv("FAULT_POINT");

        if (wanted && strcmp(wanted, name) == 0)
                raise(SIGKILL);
}
#else
static inline void fault_point(const char *name)
{
        (void)name;
}
#endif
