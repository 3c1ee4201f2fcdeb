/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the wall clock can be believed, by what cannot be set: CLOCK_BOOTTIME, and the order in which this
 * node took its copies. It cannot when
 *
 *  - it was set against CLOCK_BOOTTIME since a copy of this boot was taken;
 *  - it is before the time at which a copy of an earlier boot was taken: it was set back, or was ahead then;
 *  - it says that the machine was off for hours before this boot. That may be true, or a clock may have lost
 *    its battery, or found a bad time server.
 *
 * A jump is believed when the clock has gone on from it for a day of CLOCK_BOOTTIME (a clock that was set
 * right after boot would else be doubted for ever); until then somebody can see that nothing is pruned, and
 * why. What is in doubt costs disk for a day; what a wrong clock prunes is gone. */

#include "retention.h"

/* Small steps are what time daemons do (chrony: makestep; leap seconds), and a few minutes prune nothing. */
#define CLOCK_TOLERANCE_USEC (10 * UINT64_C(60) * 1000000)
#define CLOCK_OFF_USEC       (6 * UINT64_C(3600) * 1000000)
#define CLOCK_SETTLE_USEC    (24 * UINT64_C(3600) * 1000000)

/* Returns whether it can, and if not, why; ret_why is touched only then. */
bool retention_clock_sound(const struct retention_input *input, char ret_why[static RETENTION_WHY_MAX]);

/* When a copy was taken, by the clock as it is now: exact for this node's copies of this boot. */
uint64_t retention_clock_taken(const struct retention_input *input, const struct retention_copy *copy);
