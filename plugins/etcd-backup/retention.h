/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which copies go. A pure decision; copies.c carries it out. */

#include <stdbool.h>

#include "configuration.h"
#include "copies.h"

/* Marks in ret_remove[copies->count] what retention gives up: what is older than the keepLast newest whole
 * copies. A damaged copy counts for nothing, and one that is newer than the oldest kept stays, as evidence.
 * Copies are ordered by their sequence number, not by clocks, and only our own ones are in the list at all.
 */
void retention_choose(const struct target_retention *retention, const struct copies *copies,
                      bool *ret_remove);
