/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The states that a crash of a snapshot may leave (libagent's fault-point.h), in the order in which a run
 * comes by: the steps of snapshot.c, and what lies between them. The tests kill it at each. */
#define SNAPSHOT_STATES                                                                                      \
        "opened", "source-checked", "members-listed", "named", "first-message", "archive-begun", "received", \
                "walked", "archive-finished", "synced", "read-back", "verified", "archive-published",        \
                "manifest-published", "published", "delivered", "pruned", "surveyed"
