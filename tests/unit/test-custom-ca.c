/* SPDX-License-Identifier: Apache-2.0 */

/* Which certificates are taken, what the configuration refuses, and what the condition says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <string.h>

#include "../integration/pki.h"
#include "authority.h"
#include "ca-verdict.h"
#include "quantity.h"
#include "timestamp.h"
#include "x509.h"

static struct identity root;

static char *pem_of(X509 *certificate, int (*write)(BIO *, const X509 *))
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *data, *text;
        long size;

        assert_int_equal(write(bio, certificate), 1);
        size = BIO_get_mem_data(bio, &data);
        text = strndup(data, (size_t)size);
        BIO_free_all(bio);
        return text;
}

static int add(struct authorities *authorities, const char *text, size_t size, struct failure *failure)
{
        struct authority_rules rules = { .now_usec = now_realtime_usec() };

        return authorities_add(authorities, "name", "where", text, size, &rules, failure);
}

static void assert_refused(const char *text, size_t size, const char *reason, const char *says)
{
        _cleanup_authorities_ authorities = {};
        _cleanup_failure_ failure = {};

        assert_int_equal(add(&authorities, text, size, &failure), -EINVAL);
        assert_string_equal(failure.reason, reason);
        assert_non_null(strstr(failure.message, says));
        assert_int_equal(authorities.count, 0);
}

static void a_root_is_taken_in_canonical_form_and_once(void **state)
{
        _cleanup_free_ char *pem = pem_of(root.certificate, PEM_write_bio_X509), *twice = NULL;
        _cleanup_authorities_ authorities = {};

        assert_true(asprintf(&twice, "# a comment\r\n%s\n%s", pem, pem) >= 0);
        assert_int_equal(add(&authorities, twice, strlen(twice), NULL), 0);
        assert_int_equal(authorities.count, 1);
        assert_string_equal(authorities.items[0].pem, pem);
}

static void what_only_one_library_reads_is_refused_with_the_remedy(void **state)
{
        _cleanup_free_ char *pem = pem_of(root.certificate, PEM_write_bio_X509), *text = NULL,
                            *trusted = pem_of(root.certificate, PEM_write_bio_X509_AUX);
        unsigned char *der = NULL;
        int size = i2d_X509(root.certificate, &der);

        assert_true(asprintf(&text, "\xef\xbb\xbf%s", pem) >= 0);
        assert_refused(text, strlen(text), "InvalidCertificate", "byte order mark");
        assert_refused(trusted, strlen(trusted), "InvalidCertificate", "openssl x509 -in");
        assert_refused((const char *)der, (size_t)size, "InvalidCertificate", "-inform DER");
        free(text);
        assert_true(asprintf(&text, "x%s", pem) >= 0);
        assert_refused(text, strlen(text), "InvalidCertificate", "start of a line");
        free(text);
        assert_true(asprintf(&text, "-----BEGIN CERTIFICATE-----\nComment: x\n\n%s", strchr(pem, '\n') + 1) >=
                    0);
        assert_refused(text, strlen(text), "InvalidCertificate", "headers");
        assert_refused(pem, strlen(pem) / 2, "InvalidCertificate", "END CERTIFICATE");
        assert_refused("", 0, "NoCertificate", "no certificate");
        OPENSSL_free(der);
}

static void a_private_key_in_the_input_is_refused(void **state)
{
        _cleanup_free_ char *pem = pem_of(root.certificate, PEM_write_bio_X509), *text = NULL;

        assert_true(asprintf(&text, "%s-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                             pem) >= 0);
        assert_refused(text, strlen(text), "PrivateKeyInInput", "private key");
}

static void what_is_no_authority_or_out_of_date_is_refused(void **state)
{
        struct identity leaf = identity_make(&root, "leaf", "Example", false, 30),
                        old = identity_make(NULL, "Old", "Example", true, -1);
        _cleanup_free_ char *leaf_pem = pem_of(leaf.certificate, PEM_write_bio_X509),
                            *old_pem = pem_of(old.certificate, PEM_write_bio_X509),
                            *pem = pem_of(root.certificate, PEM_write_bio_X509);
        struct authority_rules before = { .now_usec = 1 };
        _cleanup_authorities_ authorities = {};
        _cleanup_failure_ failure = {};

        assert_refused(leaf_pem, strlen(leaf_pem), "NotAnAuthority", "CA:TRUE");
        assert_refused(old_pem, strlen(old_pem), "CertificateExpired", "allowExpired");
        assert_int_equal(authorities_add(&authorities, "name", "where", pem, strlen(pem), &before, &failure),
                         -EINVAL);
        assert_string_equal(failure.reason, "CertificateNotYetValid");
        identity_clear(&leaf);
        identity_clear(&old);
}

static void assert_configuration_refused(const char *text, const char *says)
{
        _cleanup_failure_ failure = {};
        void *config = NULL;

        assert_int_equal(config_parse(&custom_ca_config_type, "f", text, strlen(text), &config, &failure),
                         -EINVAL);
        assert_non_null(strstr(failure.message, says));
}

static void a_configuration_that_cannot_be_meant_is_refused(void **state)
{
        assert_configuration_refused("{\"authorities\":[{\"name\":\"a\"}]}", "neither");
        assert_configuration_refused("{\"authorities\":[{\"name\":\"a\",\"pem\":\"x\",\"file\":\"/x\"}]}",
                                     "both");
        assert_configuration_refused("{\"authorities\":[{\"name\":\"a\",\"pem\":\"x\"},"
                                     "{\"name\":\"a\",\"pem\":\"x\"}]}",
                                     "unique");
        assert_configuration_refused("{\"distrust\":[\"sha256:AB\"]}", "lower-case");
        assert_configuration_refused("{\"restartUnits\":[\"ssh.service\"]}", "containerd.service");
}

static void the_condition_warns_thirty_days_before_an_authority_expires(void **state)
{
        _cleanup_free_ char *pem = pem_of(root.certificate, PEM_write_bio_X509);
        _cleanup_authorities_ wanted = {}, known = {};
        struct ca_input input = { .wanted = &wanted, .known = &known };
        struct ca_verdict verdict;
        uint64_t end;

        assert_int_equal(add(&wanted, pem, strlen(pem), NULL), 0);
        end = certificate_not_after(root.certificate);
        input.now_usec = end - 31 * USEC_PER_DAY;
        ca_judge(&input, &verdict);
        assert_string_equal(verdict.reason, "AllTrusted");
        input.now_usec = end - 29 * USEC_PER_DAY;
        ca_judge(&input, &verdict);
        assert_string_equal(verdict.reason, "AuthorityExpiresSoon");
        assert_int_equal(verdict.status, CONDITION_FALSE);
        input.now_usec = end + 1;
        ca_judge(&input, &verdict);
        assert_string_equal(verdict.reason, "AuthorityExpired");
}

static int set_up(void **state)
{
        root = identity_make(NULL, "Corporate Root", "Example", true, 3650);
        return 0;
}

static int tear_down(void **state)
{
        identity_clear(&root);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_root_is_taken_in_canonical_form_and_once),
                cmocka_unit_test(what_only_one_library_reads_is_refused_with_the_remedy),
                cmocka_unit_test(a_private_key_in_the_input_is_refused),
                cmocka_unit_test(what_is_no_authority_or_out_of_date_is_refused),
                cmocka_unit_test(a_configuration_that_cannot_be_meant_is_refused),
                cmocka_unit_test(the_condition_warns_thirty_days_before_an_authority_expires),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
