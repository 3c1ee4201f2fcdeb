/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* X.509 certificates (RFC 5280) from PEM, on OpenSSL. */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "digest.h"
#include "failure.h"

#define X509_FILE_MAX         (1024 * 1024)
#define X509_CERTIFICATES_MAX 512

struct certificates {
        X509 **items; /* leaf first, as in the file */
        size_t count;
};
#define _cleanup_certificates_ _cleanup_(certificates_clear) struct certificates
void certificates_clear(struct certificates *certificates);

/* All certificates of a PEM text; other PEM blocks are skipped. At least one, or -ENODATA; -EINVAL for one
 * that does not parse. `name` is for the failure's message only. */
int certificates_parse(const char *name, const char *pem, size_t size, struct certificates *ret,
                       struct failure *failure);
int certificates_load(const char *path, struct certificates *ret, struct failure *failure);

/* The same, one after the other: all of a system's authorities at once take a megabyte. Ends with what a
 * negative each() returned. The certificate is borrowed. */
typedef int certificate_fn(X509 *certificate, void *userdata);
int certificates_load_each(const char *path, certificate_fn *each, void *userdata, struct failure *failure);

/* Whether the PEM private key belongs to the certificate. Returns 0, -EKEYREJECTED when not, -EINVAL for an
 * unreadable or encrypted key; each with a failure. */
int certificate_check_key(X509 *certificate, const char *name, const char *pem, size_t size,
                          struct failure *failure);

bool certificate_is_ca(X509 *certificate);

/* CLOCK_REALTIME microseconds; 0 for a date that cannot be represented. */
uint64_t certificate_not_after(X509 *certificate);
uint64_t certificate_not_before(X509 *certificate);

/* The first common name of the subject, UTF-8; owned by the caller. Returns -ENODATA without one, -EINVAL for
 * one with a NUL byte. */
int certificate_common_name(X509 *certificate, char **ret);

/* NAME of the common name "system:node:NAME" that a kubelet's certificate has
 * (kubernetes.io/docs/reference/access-authn-authz/node); owned by the caller. Returns -EINVAL for another
 * subject or a NAME that no node can have, or -ENOMEM. */
int certificate_node_name(X509 *certificate, char **ret);

/* "sha256/BASE64" of the subject's public key (the pin of RFC 7469; curl --pinnedpubkey takes it with a
 * second slash). Returns 0 or -EIO when OpenSSL fails. */
#define CERTIFICATE_PIN_SIZE (7 + 44 + 1)
int certificate_pin(X509 *certificate, char ret_pin[static CERTIFICATE_PIN_SIZE]);

/* Calls each(O, userdata) for every organization of the subject until it returns non-zero; returns that, or
 * 0, or -ENOMEM. One that is not text or has a NUL byte is passed over: it can equal nothing that is allowed.
 */
int certificate_each_organization(X509 *certificate, int (*each)(const char *organization, void *userdata),
                                  void *userdata);

/* The certificate alone as canonical PEM, which OpenSSL and Go read alike; owned by the caller. Returns 0 or
 * -ENOMEM. */
int certificate_pem(X509 *certificate, char **ret);

/* Why Go's parser (crypto/x509/parser.go) refuses what OpenSSL's took, or NULL when it does not. */
const char *certificate_go_refusal(X509 *certificate);
