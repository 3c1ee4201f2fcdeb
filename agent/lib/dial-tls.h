/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* TLS on a connection that dial made (dial.h): the server is verified by the context's authorities, and for
 * this host. Blocks as well. Owned by the caller, who frees it with SSL_free; the descriptor stays the
 * caller's. NULL: one line on `report` says what went wrong. */

#include <openssl/ssl.h>

SSL *dial_tls(SSL_CTX *context, int fd, const char *host, const char *port, int report);
