/* SPDX-License-Identifier: Apache-2.0 */

#include "pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cleanup.h"

static void add_extension(X509 *certificate, int nid, const char *value)
{
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

        assert_non_null(extension);
        assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
}

static void add_name(X509_NAME *name, const char *field, const char *value)
{
        if (value)
                assert_int_equal(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                            (const unsigned char *)value, -1, -1, 0),
                                 1);
}

static struct identity make(const struct identity *issuer, const char *common_name, const char *organization,
                            const char *names, int days)
{
        struct identity identity = { X509_new(), EVP_EC_gen("P-256") };
        static long serial = 1;
        X509_NAME *subject;

        assert_non_null(identity.certificate);
        assert_non_null(identity.key);
        assert_int_equal(X509_set_version(identity.certificate, X509_VERSION_3), 1);
        ASN1_INTEGER_set(X509_get_serialNumber(identity.certificate), serial++);
        X509_gmtime_adj(X509_getm_notBefore(identity.certificate), -2 * 86400L);
        X509_gmtime_adj(X509_getm_notAfter(identity.certificate), days * 86400L);
        subject = X509_get_subject_name(identity.certificate);
        add_name(subject, "O", organization);
        add_name(subject, "CN", common_name);
        assert_int_equal(X509_set_issuer_name(identity.certificate,
                                              issuer ? X509_get_subject_name(issuer->certificate) : subject),
                         1);
        assert_int_equal(X509_set_pubkey(identity.certificate, identity.key), 1);
        add_extension(identity.certificate, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
        if (names)
                add_extension(identity.certificate, NID_subject_alt_name, names);
        assert_true(X509_sign(identity.certificate, issuer ? issuer->key : identity.key, EVP_sha256()) > 0);
        return identity;
}

struct identity identity_make(const struct identity *issuer, const char *common_name,
                              const char *organization, bool ca, int days)
{
        return make(issuer, common_name, organization, ca ? NULL : "DNS:localhost,IP:127.0.0.1", days);
}

struct identity identity_make_server(const struct identity *issuer, const char *names)
{
        return make(issuer, "server", NULL, names, 10);
}

void identity_clear(struct identity *identity)
{
        X509_free(identity->certificate);
        EVP_PKEY_free(identity->key);
        *identity = (struct identity){};
}

void identity_save(const struct identity *identity, const char *root, const char *name)
{
        _cleanup_free_ char *certificate_path = NULL, *key_path = NULL;
        FILE *file;

        assert_true(asprintf(&certificate_path, "%s/%s.crt", root, name) > 0);
        assert_true(asprintf(&key_path, "%s/%s.key", root, name) > 0);
        file = fopen(certificate_path, "we");
        assert_non_null(file);
        assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
        assert_int_equal(fclose(file), 0);
        file = fopen(key_path, "we");
        assert_non_null(file);
        assert_int_equal(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(key_path, 0600), 0);
}
