/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The gateway's own key and self-signed certificate, for a node that was given none. A client knows it by the
 * pin of the key on the Node's annotation, which only this node can write. So the key stays for as long as
 * the state directory does, and the certificate is made anew from it before it runs out, and when the clock
 * turns out to have been wrong. The agent has them made, not the gateway, which faces the network and so
 * may write nothing. */

#include <stdint.h>

#include "failure.h"

#define GATEWAY_OWN_KEY         "tls.key"
#define GATEWAY_OWN_CERTIFICATE "tls.crt"

/* Sees to it that the directory, which is made when it is missing, holds the two with at least a month to go.
 * The certificate's names are those of hostname. Returns 0, or -errno with a failure. */
int gateway_identity_ensure(const char *directory, const char *hostname, uint64_t now_usec,
                            struct failure *failure);
