/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The API's endpoint, as the kubelet reaches it: whether it answers is what proves a list. */

#include <stdint.h>

#include "failure.h"

struct endpoint {
        char *host, *port;
        char *ca_file, *ca_pem; /* either may be NULL */
};

/* From a kubeconfig below root. Returns -ENOENT when there is none yet, or -errno with a failure. */
int endpoint_load(const char *root, const char *kubeconfig, struct endpoint *ret, struct failure *failure);
void endpoint_clear(struct endpoint *endpoint);

/* For a child process with an alarm: becomes the program endpoint-exchange, which connects, verifies the
 * server by the CA, asks for /livez, and writes to fd "answered" when any HTTP answer came, or one line that
 * says what went wrong. Returns only when it cannot, with such a line. */
void endpoint_ask(const struct endpoint *endpoint, int fd);
