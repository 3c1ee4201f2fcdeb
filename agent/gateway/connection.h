/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One client: handshake, requests one after the other, responses. Every phase has an absolute deadline, which
 * no byte that arrives prolongs. */

#include <stdbool.h>

#include "gateway.h"

/* Serves the accepted socket, which it takes over (also on failure), as one more of gateway->connections.
 * Returns 0 or -errno. */
int connection_open(struct gateway *gateway, int fd);

/* Closes the connection that can best be spared for a new one: one that is idle, else one of which no request
 * has come yet; the one that has been so for longest. Returns false when every one is being served. */
bool connection_displace(struct gateway *gateway);

/* Answers the long polls for which the health document has changed. */
void connections_wake(struct gateway *gateway);

void connections_close(struct gateway *gateway);
