/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who asks, and whether he may. */

#include <openssl/ssl.h>

#include "client-rate.h"
#include "failure.h"
#include "gateway-config.h"

enum peer_role {
        PEER_READER,  /* of everything */
        PEER_SCRAPER, /* of /metrics */
};

/* Judges the peer's certificate by what is in force now, whatever was when the connection was made: its chain
 * and dates against the context's CA, and its subject against the lists. The chain alone is not enough,
 * because the cluster's CA signs every kubelet's certificate. Returns 0, or -EACCES with a failure. */
int peer_check(SSL *ssl, SSL_CTX *context, const struct gateway_config *config, enum peer_role *ret_role,
               struct failure *failure);

/* Why a handshake failed, when it is for the client's certificate; NULL: for something else, as with a probe
 * of the port. To be asked before OpenSSL's errors are cleared. */
const char *peer_handshake_refusal(const SSL *ssl);

/* What tells this client from others, whatever connection it comes on: a part of its certificate's SHA-256.
 * Returns 0, or -EIO when OpenSSL fails. */
int peer_identify(SSL *ssl, uint8_t ret_id[static CLIENT_ID_SIZE]);

/* The subject and the address, for the journal: what the peer chose in it is escaped. */
#define PEER_TEXT_SIZE 512
char *peer_describe(SSL *ssl, char buffer[static PEER_TEXT_SIZE]);
