/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Certificates for tests, made with OpenSSL in the moment. */

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

struct identity {
        X509 *certificate;
        EVP_PKEY *key;
};

/* issuer NULL: self-signed. days: the end of its validity from now; negative: expired. */
struct identity identity_make(const struct identity *issuer, const char *common_name,
                              const char *organization, bool ca, int days);
/* A server's, for ten days. names: as OpenSSL has them, "DNS:example.org,IP:127.0.0.3". */
struct identity identity_make_server(const struct identity *issuer, const char *names);
void identity_clear(struct identity *identity);

/* Writes ROOT/NAME.crt (0644) and ROOT/NAME.key (0600). */
void identity_save(const struct identity *identity, const char *root, const char *name);
