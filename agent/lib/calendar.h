/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calendar expressions of systemd.time(7), checked before systemd sees them: a timer is stopped and made anew
 * when its calendar changes, so one that systemd would refuse then costs the schedule that was in force.
 *
 * Stricter than systemd, never laxer: whole seconds, no days from the month's end ("~"), no
 * "@SECONDS". */

/* Returns 0 or -EINVAL. */
int calendar_check(const char *text);
