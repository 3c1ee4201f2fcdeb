/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the proxy lets this node through: CONNECT (RFC 9110, 9.3.6) to a target. */

#include <stddef.h>

#include "failure.h"

struct probe {
        const char *proxy;       /* http:// or https://, without credentials */
        const char *credentials; /* may be NULL */
        const char *target;      /* HOST:PORT */
};

/* Connects, asks, and writes to fd "answered STATUS" or one line that says what went wrong, without secrets.
 * Blocks, for a child process with an alarm. */
void probe_ask(const struct probe *probe, int fd);

/* The status of an answer's first line, "HTTP/1.1 200 …". Returns -EBADMSG for anything else. */
int probe_status(const char *answer, size_t size);

/* What probe_ask wrote: 0 when the proxy connected, else -errno with a failure (ProxyCredentialsRefused,
 * ProxyRefuses, ProxyUnreachable). An empty text: the alarm came first. */
int probe_verdict(const char *output, const char *proxy, const char *target, struct failure *failure);
