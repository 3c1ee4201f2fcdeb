/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The server's side of TLS: its certificate, and whose client certificates it takes. */

#include <openssl/ssl.h>

#include "cleanup.h"
#include "failure.h"

DEFINE_CLEANUP(SSL_CTX *, SSL_CTX_free)

/* The names in the gateway's directory, as the agent places them. */
#define TLS_CERTIFICATE "tls.crt"
#define TLS_KEY         "tls.key"
#define TLS_CLIENT_CA   "client-ca.crt"

/* A context from the three files of the directory: TLS 1.2 or later, a client certificate is required, and no
 * session can be resumed. Connections keep the context that they were made with. Returns 0, or -errno with a
 * failure when a file is missing, is not of its form or does not fit the others. */
int tls_context_new(const char *directory, SSL_CTX **ret, struct failure *failure);
