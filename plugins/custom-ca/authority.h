/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Certificates that both OpenSSL and Go take, and nothing else: what only one of them reads makes a trust
 * store that works for half of the programs (Go: crypto/x509 CertPool.AppendCertsFromPEM, encoding/pem;
 * OpenSSL: PEM_read_bio(3)). */

#include <openssl/x509.h>
#include <stdbool.h>

#include "configuration.h"
#include "digest.h"
#include "failure.h"

struct authority {
        char *name; /* of the source */
        X509 *certificate;
        char *pem; /* canonical: 64 columns, no headers, LF */
        char fingerprint[SHA256_TEXT_SIZE];
};

struct authorities {
        struct authority *items; /* each certificate once */
        size_t count;
};
#define _cleanup_authorities_ _cleanup_(authorities_clear) struct authorities
void authorities_clear(struct authorities *authorities);

struct authority_rules {
        bool allow_expired, allow_not_yet_valid;
        uint64_t now_usec; /* CLOCK_REALTIME */
};

/* Adds the certificates of a PEM text. `where` is for messages. Returns 0, -EINVAL with a failure that says
 * what is wrong and what to do (InvalidCertificate, PrivateKeyInInput, NotAnAuthority, CertificateExpired,
 * CertificateNotYetValid, KeyTooWeak), or -ENOMEM. */
int authorities_add(struct authorities *authorities, const char *name, const char *where, const char *text,
                    size_t size, const struct authority_rules *rules, struct failure *failure);

/* All of the configuration's, read below root. */
int authorities_collect(const struct custom_ca_config *config, const char *root, struct authorities *ret,
                        struct failure *failure);

const struct authority *authorities_find(const struct authorities *authorities, const char *fingerprint);

/* "sha256:…" of the DER form. Returns 0 or -EIO. */
int certificate_fingerprint(X509 *certificate, char ret[static SHA256_TEXT_SIZE]);
