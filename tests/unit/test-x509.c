/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "quantity.h"
#include "x509.h"

/* 2026-11-21T10:00:00Z */
#define NOVEMBER UINT64_C(1795255200)

static EVP_PKEY *key, *other_key;

static int make_keys(void **state)
{
        key = EVP_EC_gen("P-256");
        other_key = EVP_EC_gen("P-256");
        return key && other_key ? 0 : -1;
}

static int free_keys(void **state)
{
        EVP_PKEY_free(key);
        EVP_PKEY_free(other_key);
        return 0;
}

struct entry {
        const char *field, *text;
        int size; /* -1: up to the NUL */
        int type; /* 0: UTF-8 */
};

/* A self-signed certificate. basic_constraints: "CA:TRUE", or NULL for none. */
static X509 *make(const struct entry *subject, size_t n, const char *basic_constraints, long version)
{
        X509 *certificate = X509_new();
        X509_NAME *name = X509_NAME_new();

        assert_non_null(certificate);
        assert_non_null(name);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(X509_NAME_add_entry_by_txt(name, subject[i].field,
                                                            subject[i].type ? subject[i].type
                                                                            : V_ASN1_UTF8STRING,
                                                            (const unsigned char *)subject[i].text,
                                                            subject[i].size, -1, 0),
                                 1);
        assert_int_equal(X509_set_version(certificate, version), 1);
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
        assert_int_equal(X509_set_subject_name(certificate, name), 1);
        assert_int_equal(X509_set_issuer_name(certificate, name), 1);
        assert_non_null(ASN1_TIME_set(X509_getm_notBefore(certificate), NOVEMBER));
        assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z"), 1);
        assert_int_equal(X509_set_pubkey(certificate, key), 1);
        if (basic_constraints) {
                X509_EXTENSION *extension =
                        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, basic_constraints);

                assert_non_null(extension);
                assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
                X509_EXTENSION_free(extension);
        }
        assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
        X509_NAME_free(name);
        return certificate;
}

static X509 *make_named(const char *common_name)
{
        return make(&(struct entry){ "CN", common_name, -1, 0 }, 1, NULL, X509_VERSION_3);
}

static void x509_freep(X509 **certificate)
{
        X509_free(*certificate);
}
#define _cleanup_x509_ _cleanup_(x509_freep)

/* What was written to a memory BIO, on the heap without a terminator, so that a sanitizer sees a step behind
 * the end. */
struct text {
        char *data;
        size_t size;
};

static struct text take(BIO *bio)
{
        struct text text;
        char *data;

        text.size = (size_t)BIO_get_mem_data(bio, &data);
        text.data = malloc(text.size > 0 ? text.size : 1);
        assert_non_null(text.data);
        memcpy(text.data, data, text.size);
        BIO_free(bio);
        return text;
}

static struct text key_pem(EVP_PKEY *pkey, const EVP_CIPHER *cipher)
{
        BIO *bio = BIO_new(BIO_s_mem());

        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, cipher ? "secret" : NULL,
                                                       cipher ? 6 : 0, NULL, NULL),
                         1);
        return take(bio);
}

static void assert_refused(const char *pem, size_t size, int error, const char *reason, const char *expected)
{
        _cleanup_certificates_ certificates = {};
        _cleanup_failure_ failure = {};

        assert_int_equal(certificates_parse("ca.crt", pem, size, &certificates, &failure), error);
        assert_int_equal(certificates.count, 0);
        assert_string_equal(failure.reason, reason);
        assert_non_null(strstr(failure.message, expected));
        assert_int_equal(certificates_parse("ca.crt", pem, size, &certificates, NULL), error);
        assert_int_equal(ERR_peek_error(), 0);
}

static void reads_all_certificates_in_the_order_of_the_file(void **state)
{
        _cleanup_x509_ X509 *leaf = make_named("leaf"), *ca = make_named("ca");
        _cleanup_certificates_ certificates = {};
        BIO *bio = BIO_new(BIO_s_mem());
        struct text text;

        BIO_puts(bio, "Subject: a comment as openssl s_client prints it\r\n\r\n");
        PEM_write_bio_X509(bio, leaf);
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
        BIO_puts(bio, "\n# authority\n");
        PEM_write_bio_X509_AUX(bio, ca);
        BIO_puts(bio, "the end, without a line break");
        text = take(bio);

        assert_int_equal(certificates_parse("x", text.data, text.size, &certificates, NULL), 0);
        free(text.data);
        assert_int_equal(certificates.count, 2);
        assert_int_equal(X509_cmp(certificates.items[0], leaf), 0);
        assert_int_equal(X509_cmp(certificates.items[1], ca), 0);
        assert_int_equal(ERR_peek_error(), 0);
}

static void says_when_there_is_no_certificate(void **state)
{
        struct text text = key_pem(key, NULL);

        assert_refused("", 0, -ENODATA, "NoCertificate", "ca.crt: holds no certificate");
        assert_refused("\0\0\0", 3, -ENODATA, "NoCertificate", "holds no certificate");
        assert_refused("hello\n", 6, -ENODATA, "NoCertificate", "-----BEGIN CERTIFICATE-----");
        assert_refused(text.data, text.size, -ENODATA, "NoCertificate", "holds no certificate");
        free(text.data);
}

static void refuses_what_is_not_a_whole_certificate(void **state)
{
        static const char no_base64[] = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        static const char no_asn1[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        static const char no_end[] = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        static const char other_end[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n";
        static const char empty[] = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

        assert_refused(no_base64, sizeof(no_base64) - 1, -EINVAL, "InvalidCertificate", "does not parse");
        assert_refused(no_asn1, sizeof(no_asn1) - 1, -EINVAL, "InvalidCertificate",
                       "number 1 does not parse");
        assert_refused(no_end, sizeof(no_end) - 1, -EINVAL, "InvalidCertificate", "does not parse");
        assert_refused(other_end, sizeof(other_end) - 1, -EINVAL, "InvalidCertificate", "does not parse");
        assert_refused(empty, sizeof(empty) - 1, -EINVAL, "InvalidCertificate", "does not parse");
}

static void refuses_the_file_when_a_later_certificate_is_cut(void **state)
{
        _cleanup_x509_ X509 *certificate = make_named("a");
        BIO *bio = BIO_new(BIO_s_mem());
        struct text text;

        PEM_write_bio_X509(bio, certificate);
        PEM_write_bio_X509(bio, certificate);
        text = take(bio);
        assert_refused(text.data, text.size - 60, -EINVAL, "InvalidCertificate",
                       "behind certificate number 1");
        free(text.data);
}

static void refuses_bytes_behind_the_certificate_in_its_block(void **state)
{
        _cleanup_x509_ X509 *certificate = make_named("a");
        unsigned char der[4096], *p = der;
        BIO *bio = BIO_new(BIO_s_mem());
        struct text text;

        assert_true(i2d_X509(certificate, &p) > 0);
        *p++ = 0;
        PEM_write_bio(bio, PEM_STRING_X509, "", der, p - der);
        text = take(bio);
        assert_refused(text.data, text.size, -EINVAL, "InvalidCertificate", "number 1 does not parse");
        free(text.data);
}

static void refuses_more_than_it_has_room_for(void **state)
{
        _cleanup_x509_ X509 *certificate = make_named("a");
        BIO *bio = BIO_new(BIO_s_mem());
        struct text text;

        for (int i = 0; i < X509_CERTIFICATES_MAX + 1; i++)
                PEM_write_bio_X509(bio, certificate);
        text = take(bio);
        assert_refused(text.data, text.size, -EINVAL, "InvalidCertificate", "more than 512 certificates");
        assert_refused(text.data, X509_FILE_MAX + 1, -EINVAL, "InvalidCertificate",
                       "larger than 1048576 bytes");
        free(text.data);
}

static void names_the_file_that_cannot_be_read(void **state)
{
        _cleanup_certificates_ certificates = {};
        _cleanup_failure_ failure = {};

        assert_int_equal(certificates_load("/nonexistent/ca.crt", &certificates, &failure), -ENOENT);
        assert_string_equal(failure.reason, "CertificateUnreadable");
        assert_string_equal(failure.message, "/nonexistent/ca.crt: No such file or directory");
}

static void check_key(const char *pem, size_t size, int error, const char *reason, const char *expected)
{
        _cleanup_x509_ X509 *certificate = make_named("a");
        _cleanup_failure_ failure = {};

        assert_int_equal(certificate_check_key(certificate, "tls.key", pem, size, &failure), error);
        assert_int_equal(ERR_peek_error(), 0);
        if (error == 0)
                return;
        assert_string_equal(failure.reason, reason);
        assert_non_null(strstr(failure.message, expected));
}

static void knows_the_key_of_a_certificate(void **state)
{
        struct text own = key_pem(key, NULL), other = key_pem(other_key, NULL);
        struct text encrypted = key_pem(key, EVP_aes_256_cbc());
        EVP_PKEY *rsa = EVP_RSA_gen(2048);
        struct text unlike = key_pem(rsa, NULL);

        check_key(own.data, own.size, 0, NULL, NULL);
        check_key(other.data, other.size, -EKEYREJECTED, "KeyMismatch", "tls.key: the key does not belong");
        check_key(unlike.data, unlike.size, -EKEYREJECTED, "KeyMismatch", "does not belong");
        check_key(encrypted.data, encrypted.size, -EINVAL, "InvalidKey", "tls.key: the key is encrypted");
        check_key(own.data, own.size / 2, -EINVAL, "InvalidKey", "no private key that OpenSSL can read");
        check_key("", 0, -EINVAL, "InvalidKey", "no private key that OpenSSL can read");
        EVP_PKEY_free(rsa);
        free(own.data);
        free(other.data);
        free(encrypted.data);
        free(unlike.data);
}

static void tells_an_authority_from_a_leaf(void **state)
{
        static const struct entry cn = { "CN", "x", -1, 0 };
        _cleanup_x509_ X509 *ca = make(&cn, 1, "critical,CA:TRUE", X509_VERSION_3);
        _cleanup_x509_ X509 *leaf = make(&cn, 1, "CA:FALSE", X509_VERSION_3);
        _cleanup_x509_ X509 *unsaid = make(&cn, 1, NULL, X509_VERSION_3);
        _cleanup_x509_ X509 *old_root = make(&cn, 1, NULL, X509_VERSION_1);

        assert_true(certificate_is_ca(ca));
        assert_true(certificate_is_ca(old_root));
        assert_false(certificate_is_ca(leaf));
        assert_false(certificate_is_ca(unsaid));
}

static void gives_validity_in_microseconds(void **state)
{
        _cleanup_x509_ X509 *certificate = make_named("a");

        assert_int_equal(certificate_not_before(certificate), NOVEMBER * USEC_PER_SEC);
        assert_int_equal(certificate_not_after(certificate), UINT64_C(253402300799) * USEC_PER_SEC);

        assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19500101000000Z"), 1);
        assert_int_equal(certificate_not_before(certificate), 0);
        assert_int_equal(ASN1_STRING_set(X509_getm_notAfter(certificate), "garbage", 7), 1);
        assert_int_equal(certificate_not_after(certificate), 0);
        assert_int_equal(ERR_peek_error(), 0);
}

static void assert_common_name(const struct entry *subject, size_t n, int error, const char *expected)
{
        _cleanup_x509_ X509 *certificate = make(subject, n, NULL, X509_VERSION_3);
        _cleanup_free_ char *name = NULL;

        assert_int_equal(certificate_common_name(certificate, &name), error);
        if (error == 0)
                assert_string_equal(name, expected);
        else
                assert_null(name);
        assert_int_equal(ERR_peek_error(), 0);
}

static void gives_the_first_common_name_as_utf8(void **state)
{
        static const struct entry two[] = { { "O", "org", -1, 0 },
                                            { "CN", "first", -1, 0 },
                                            { "CN", "second", -1, 0 } };
        static const struct entry latin = { "CN", "M\xFCller", 6, V_ASN1_T61STRING };
        static const struct entry wide = { "CN", "\0M\x20\xAC", 4, V_ASN1_BMPSTRING };
        static const struct entry none = { "O", "org", -1, 0 };

        assert_common_name(two, ELEMENTS(two), 0, "first");
        assert_common_name(&latin, 1, 0, "Müller");
        assert_common_name(&wide, 1, 0, "M€");
        assert_common_name(&none, 1, -ENODATA, NULL);
        assert_common_name(&none, 0, -ENODATA, NULL);
}

static void knows_a_nodes_name_by_a_kubelets_subject(void **state)
{
        static const struct {
                const char *common_name, *node;
        } rows[] = {
                { "system:node:cp-0", "cp-0" }, { "system:node:cp-0.example.org", "cp-0.example.org" },
                { "system:node:", NULL },       { "system:node:a/b?c", NULL },
                { "system:node:.", NULL },      { "System:node:cp-0", NULL },
                { "kubernetes-admin", NULL },
        };
        static const struct entry none = { "O", "system:nodes", -1, 0 };
        _cleanup_x509_ X509 *nameless = make(&none, 1, NULL, X509_VERSION_3);
        char *unset = NULL;

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_x509_ X509 *certificate = make_named(rows[i].common_name);
                _cleanup_free_ char *name = NULL;

                assert_int_equal(certificate_node_name(certificate, &name), rows[i].node ? 0 : -EINVAL);
                assert_true(rows[i].node ? strcmp(name, rows[i].node) == 0 : name == NULL);
        }
        assert_int_equal(certificate_node_name(nameless, &unset), -EINVAL);
        assert_null(unset);
}

static void refuses_a_common_name_with_a_nul(void **state)
{
        static const struct entry hidden = { "CN", "management\0.evil.example", 24, 0 };
        static const struct entry wide = { "CN", "\0m\0\0", 4, V_ASN1_BMPSTRING };

        assert_common_name(&hidden, 1, -EINVAL, NULL);
        assert_common_name(&wide, 1, -EINVAL, NULL);
}

struct visits {
        char all[256];
};

static int collect(const char *organization, void *userdata)
{
        struct visits *visits = userdata;
        size_t used = strlen(visits->all);

        snprintf(visits->all + used, sizeof(visits->all) - used, "%s;", organization);
        return strcmp(organization, "stop") == 0 ? 7 : 0;
}

static void visits_every_organization_that_is_text(void **state)
{
        static const struct entry subject[] = {
                { "O", "system:nodes", -1, 0 }, { "CN", "system:node:cp-0", -1, 0 },
                { "O", "capi\0x", 6, 0 },       { "O", "", -1, 0 },
                { "O", "other", -1, 0 },
        };
        static const struct entry stopping[] = { { "O", "a", -1, 0 },
                                                 { "O", "stop", -1, 0 },
                                                 { "O", "b", -1, 0 } };
        _cleanup_x509_ X509 *certificate = make(subject, ELEMENTS(subject), NULL, X509_VERSION_3);
        _cleanup_x509_ X509 *early = make(stopping, ELEMENTS(stopping), NULL, X509_VERSION_3);
        struct visits visits = {};

        assert_int_equal(certificate_each_organization(certificate, collect, &visits), 0);
        assert_string_equal(visits.all, "system:nodes;;other;");

        visits = (struct visits){};
        assert_int_equal(certificate_each_organization(early, collect, &visits), 7);
        assert_string_equal(visits.all, "a;stop;");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_all_certificates_in_the_order_of_the_file),
                cmocka_unit_test(says_when_there_is_no_certificate),
                cmocka_unit_test(refuses_what_is_not_a_whole_certificate),
                cmocka_unit_test(refuses_the_file_when_a_later_certificate_is_cut),
                cmocka_unit_test(refuses_bytes_behind_the_certificate_in_its_block),
                cmocka_unit_test(refuses_more_than_it_has_room_for),
                cmocka_unit_test(names_the_file_that_cannot_be_read),
                cmocka_unit_test(knows_the_key_of_a_certificate),
                cmocka_unit_test(tells_an_authority_from_a_leaf),
                cmocka_unit_test(gives_validity_in_microseconds),
                cmocka_unit_test(gives_the_first_common_name_as_utf8),
                cmocka_unit_test(knows_a_nodes_name_by_a_kubelets_subject),
                cmocka_unit_test(refuses_a_common_name_with_a_nul),
                cmocka_unit_test(visits_every_organization_that_is_text),
        };

        return cmocka_run_group_tests(tests, make_keys, free_keys);
}
