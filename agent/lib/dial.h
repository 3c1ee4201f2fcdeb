/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Connects to the first of the host's addresses that takes it. Blocks, for a child process with an alarm
 * (child.h). Returns a socket, or -errno with one line on `report` that says what went wrong. */
int dial(const char *host, const char *port, int report);
