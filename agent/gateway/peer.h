/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who asks, and whether he may. */

#include <openssl/ssl.h>

#include "failure.h"
#include "gateway-config.h"

/* Judges the peer's certificate by what is in force now, whatever was when the connection was made: its chain
 * and dates against the context's CA, and its subject against the list. The chain alone is not enough,
 * because the cluster's CA signs every kubelet's certificate. Returns 0, or -EACCES with a failure. */
int peer_check(SSL *ssl, SSL_CTX *context, const struct gateway_allow *allow, struct failure *failure);

/* The subject and the address, for the journal: what the peer chose in it is escaped. */
#define PEER_TEXT_SIZE 512
char *peer_describe(SSL *ssl, char buffer[static PEER_TEXT_SIZE]);
