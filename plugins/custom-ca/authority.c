/* SPDX-License-Identifier: Apache-2.0 */

#include "authority.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "files.h"
#include "timestamp.h"
#include "x509.h"

#define RSA_BITS_MIN 2048

void authorities_clear(struct authorities *authorities)
{
        for (size_t i = 0; i < authorities->count; i++) {
                free(authorities->items[i].name);
                free(authorities->items[i].pem);
                X509_free(authorities->items[i].certificate);
        }
        free(authorities->items);
        *authorities = (struct authorities){};
}

const struct authority *authorities_find(const struct authorities *authorities, const char *fingerprint)
{
        for (size_t i = 0; i < authorities->count; i++)
                if (strcmp(authorities->items[i].fingerprint, fingerprint) == 0)
                        return &authorities->items[i];
        return NULL;
}

int certificate_fingerprint(X509 *certificate, char ret[static SHA256_TEXT_SIZE])
{
        uint8_t digest[SHA256_SIZE];

        if (X509_digest(certificate, EVP_sha256(), digest, NULL) != 1)
                return -EIO;
        digest_format(digest, ret);
        return 0;
}

static int refuse(struct failure *failure, const char *reason, const char *where, const char *what)
{
        ERR_clear_error();
        return failure_set(failure, -EINVAL, reason, "%s: %s", where, what);
}

static bool line_begins(const char *line, const char *end, const char *text)
{
        size_t size = strlen(text);

        return (size_t)(end - line) >= size && memcmp(line, text, size) == 0;
}

/* One line's worth of what the two libraries read differently. */
static int check_line(const char *line, const char *end, bool *inside, const char *where,
                      struct failure *failure)
{
        if (memmem(line, (size_t)(end - line), "PRIVATE KEY-----", 16))
                return refuse(failure, "PrivateKeyInInput", where,
                              "holds a private key, which must not be on every node: give the certificate "
                              "alone, and renew the key");
        if (line_begins(line, end, "-----BEGIN CERTIFICATE-----")) {
                *inside = true;
                return 0;
        }
        if (line_begins(line, end, "-----END CERTIFICATE-----")) {
                *inside = false;
                return 0;
        }
        if (line_begins(line, end, "-----BEGIN TRUSTED CERTIFICATE-----") ||
            line_begins(line, end, "-----BEGIN X509 CERTIFICATE-----"))
                return refuse(failure, "InvalidCertificate", where,
                              "is of a form that Go does not read; convert it: openssl x509 -in FILE -out "
                              "FILE.pem");
        if (memmem(line, (size_t)(end - line), "-----BEGIN", 10))
                return refuse(failure, "InvalidCertificate", where,
                              "has -----BEGIN of something that is no certificate, or not at the start of a "
                              "line");
        if (*inside && memchr(line, ':', (size_t)(end - line)))
                return refuse(failure, "InvalidCertificate", where,
                              "has a PEM block with headers, which Go passes over: remove them");
        return 0;
}

static int check_text(const char *where, const char *text, size_t size, struct failure *failure)
{
        bool inside = false;
        int r;

        if (size > X509_FILE_MAX)
                return refuse(failure, "InvalidCertificate", where, "is larger than 1 MiB");
        if (memmem(text, size, "\xef\xbb\xbf", 3))
                return refuse(failure, "InvalidCertificate", where,
                              "has a byte order mark, which Go does not read: save it as UTF-8 without one");
        if (memchr(text, '\0', size) || (size > 1 && text[0] == 0x30 && (text[1] & 0x80)))
                return refuse(failure, "InvalidCertificate", where,
                              "is not PEM but binary (DER); convert it: openssl x509 -inform DER -in FILE "
                              "-out FILE.pem");
        for (const char *line = text, *end; line < text + size; line = end + 1) {
                end = memchr(line, '\n', (size_t)(text + size - line));
                if (!end)
                        end = text + size;
                r = check_line(line, end, &inside, where, failure);
                if (r < 0)
                        return r;
        }
        return inside ? refuse(failure, "InvalidCertificate", where,
                               "ends within a certificate: -----END CERTIFICATE----- is missing")
                      : 0;
}

/* The keys for which Go's crypto/x509 verifies signatures. */
static int check_key(X509 *certificate, const char *where, struct failure *failure)
{
        EVP_PKEY *key = X509_get0_pubkey(certificate);
        char group[64];
        size_t size;

        switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
        case EVP_PKEY_RSA:
                if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
                        return refuse(failure, "KeyTooWeak", where,
                                      "its RSA key has fewer than 2048 bits, which libraries refuse");
                return 0;
        case EVP_PKEY_EC:
                if (EVP_PKEY_get_group_name(key, group, sizeof(group), &size) == 1 &&
                    (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
                     strcmp(group, "secp521r1") == 0))
                        return 0;
                return refuse(failure, "KeyTooWeak", where,
                              "its elliptic curve is none of P-256, P-384 and P-521");
        case EVP_PKEY_ED25519:
                return 0;
        }
        return refuse(failure, "KeyTooWeak", where, "its key is none that Go reads (RSA, ECDSA, Ed25519)");
}

static int check_certificate(X509 *certificate, const char *where, const struct authority_rules *rules,
                             struct failure *failure)
{
        const char *refusal = certificate_go_refusal(certificate);
        uint32_t usage = X509_get_key_usage(certificate);
        int r;

        if (refusal)
                return refuse(failure, "InvalidCertificate", where, refusal);
        if (!certificate_is_ca(certificate))
                return refuse(failure, "NotAnAuthority", where,
                              "is no authority's certificate (CA:TRUE is missing): give the one that issued "
                              "it");
        if (!(usage & KU_KEY_CERT_SIGN))
                return refuse(failure, "NotAnAuthority", where,
                              "may not sign certificates (keyUsage lacks keyCertSign)");
        if (!rules->allow_expired && certificate_not_after(certificate) < rules->now_usec)
                return refuse(failure, "CertificateExpired", where,
                              "has expired: renew it, or set \"allowExpired\": true");
        if (!rules->allow_not_yet_valid && certificate_not_before(certificate) > rules->now_usec)
                return refuse(failure, "CertificateNotYetValid", where,
                              "is not valid yet: set the node's clock, or \"allowNotYetValid\": true");
        r = check_key(certificate, where, failure);
        ERR_clear_error();
        return r;
}

static int append(struct authorities *authorities, const char *name, X509 *certificate)
{
        struct authority *items, *item;
        char fingerprint[SHA256_TEXT_SIZE];
        int r;

        r = certificate_fingerprint(certificate, fingerprint);
        if (r < 0)
                return r;
        if (authorities_find(authorities, fingerprint))
                return 0;
        items = reallocarray(authorities->items, authorities->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        authorities->items = items;
        item = &items[authorities->count];
        *item = (struct authority){ .name = strdup(name) };
        if (!item->name)
                return -ENOMEM;
        r = certificate_pem(certificate, &item->pem);
        if (r < 0) {
                free(item->name);
                return r;
        }
        X509_up_ref(certificate);
        item->certificate = certificate;
        memcpy(item->fingerprint, fingerprint, sizeof(fingerprint));
        authorities->count++;
        return 0;
}

int authorities_add(struct authorities *authorities, const char *name, const char *where, const char *text,
                    size_t size, const struct authority_rules *rules, struct failure *failure)
{
        _cleanup_certificates_ certificates = {};
        int r;

        r = check_text(where, text, size, failure);
        if (r < 0)
                return r;
        r = certificates_parse(where, text, size, &certificates, failure);
        if (r < 0)
                return r == -ENODATA ? -EINVAL : r;
        for (size_t i = 0; i < certificates.count; i++) {
                char which[512];

                if (certificates.count == 1)
                        snprintf(which, sizeof(which), "%s", where);
                else
                        snprintf(which, sizeof(which), "%s: certificate %zu of %zu", where, i + 1,
                                 certificates.count);
                r = check_certificate(certificates.items[i], which, rules, failure);
                if (r < 0)
                        return r;
                r = append(authorities, name, certificates.items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_file(struct authorities *authorities, const struct authority_source *source, const char *root,
                    const struct authority_rules *rules, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(root, source->file), *text = NULL;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, X509_FILE_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "CertificateUnreadable", "%s: %s", path, strerror(-r));
        r = authorities_add(authorities, source->name, path, text, size, rules, failure);
        OPENSSL_cleanse(text, size); /* it may be a private key, which is refused */
        return r;
}

int authorities_collect(const struct custom_ca_config *config, const char *root, struct authorities *ret,
                        struct failure *failure)
{
        _cleanup_authorities_ authorities = {};
        struct authority_rules rules = { config->allow_expired, config->allow_not_yet_valid,
                                         now_realtime_usec() };
        int r;

        for (size_t i = 0; i < config->authorities.count; i++) {
                const struct authority_source *source = custom_ca_source(config, i);
                char where[256];

                snprintf(where, sizeof(where), "/authorities/%zu/pem (%s)", i, source->name);
                r = source->file ? add_file(&authorities, source, root, &rules, failure)
                                 : authorities_add(&authorities, source->name, where, source->pem,
                                                   strlen(source->pem), &rules, failure);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < config->distrust.count; i++)
                if (authorities_find(&authorities, config->distrust.items[i]))
                        return failure_set(failure, -EINVAL, "TrustContradiction",
                                           "/distrust/%zu: %s is in /authorities, too; take it out of one", i,
                                           config->distrust.items[i]);
        *ret = authorities;
        authorities = (struct authorities){};
        return 0;
}
