/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The listening sockets, and how many connections they may bring. */

#include "gateway.h"

struct server *server_new(struct gateway *gateway); /* NULL: no memory */
struct server *server_free(struct server *server);

/* Listens on these addresses and no others; sockets that are wanted already stay. An IPv6 wildcard is left
 * out where the kernel has no IPv6, as long as there is another address. Returns 0, or -errno with a failure;
 * the addresses may then be partly served. */
int server_listen(struct server *server, const struct config_strings *addresses, struct failure *failure);

/* "0.0.0.0:10273, [::]:10273": what is listened on. */
char *server_describe(const struct server *server, char *buffer, size_t size);
