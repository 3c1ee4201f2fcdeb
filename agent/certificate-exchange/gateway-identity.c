/* SPDX-License-Identifier: Apache-2.0 */

#include "gateway-identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "files.h"
#include "quantity.h"
#include "x509.h"

#define LIFE_DAYS    365
#define RENEW_USEC   (30 * USEC_PER_DAY)
#define EARLIER_DAYS 1 /* a client's clock may be behind */

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(X509 *, X509_free)

static int refuse(struct failure *failure, const char *what)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        ERR_clear_error();
        return failure_set(failure, -EIO, "GatewayMaterialNotPlaced", "cannot make the gateway's own %s: %s",
                           what, reason ?: "unknown reason");
}

static int save(const char *path, BIO *bio, struct failure *failure)
{
        char *data;
        long size = BIO_get_mem_data(bio, &data);
        int r = file_write(path, data, (size_t)size, 0600);

        OPENSSL_cleanse(data, (size_t)size);
        if (r < 0)
                return failure_set(failure, r, "GatewayMaterialNotPlaced", "cannot write %s: %s", path,
                                   strerror(-r));
        return 0;
}

static int make_key(const char *path, EVP_PKEY **ret, struct failure *failure)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
        _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        int r;

        if (!key || !bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
                return refuse(failure, "key");
        r = save(path, bio, failure);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(key);
        return 0;
}

/* A key that cannot be read as one is replaced: nobody else has it. One that others could read is not: a
 * person has to see that. */
static int load_key(const char *path, EVP_PKEY **ret, struct failure *failure)
{
        _cleanup_(BIO_free_allp) BIO *bio = NULL;
        char *text;
        size_t size;
        int r;

        if (access(path, F_OK) < 0 && errno == ENOENT)
                return make_key(path, ret, failure);
        r = file_read_secret(path, X509_FILE_MAX, &text, &size, failure);
        if (r < 0)
                return r;
        bio = BIO_new_mem_buf(text, (int)size);
        *ret = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
        OPENSSL_cleanse(text, size);
        free(text);
        ERR_clear_error();
        return *ret ? 0 : make_key(path, ret, failure);
}

static bool is_good(const char *path, EVP_PKEY *key, uint64_t now_usec)
{
        _cleanup_certificates_ chain = {};

        return certificates_load(path, &chain, NULL) >= 0 &&
               X509_check_private_key(chain.items[0], key) == 1 &&
               certificate_not_before(chain.items[0]) <= now_usec &&
               certificate_not_after(chain.items[0]) > now_usec + RENEW_USEC;
}

static int add_extension(X509 *certificate, int nid, const char *value)
{
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
        int r = extension && X509_add_ext(certificate, extension, -1) == 1 ? 0 : -EIO;

        X509_EXTENSION_free(extension);
        return r;
}

static int set_identity(X509 *certificate, const char *hostname)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        uint64_t serial;
        char names[300];

        if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
                return -EIO;
        (void)snprintf(names, sizeof(names), "DNS:%s", hostname);
        return X509_set_version(certificate, X509_VERSION_3) == 1 &&
                               ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) ==
                                       1 &&
                               X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                          (const unsigned char *)hostname, -1, -1, 0) == 1 &&
                               X509_set_issuer_name(certificate, subject) == 1 &&
                               add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") >= 0 &&
                               add_extension(certificate, NID_key_usage, "critical,digitalSignature") >= 0 &&
                               add_extension(certificate, NID_ext_key_usage, "serverAuth") >= 0 &&
                               add_extension(certificate, NID_subject_alt_name, names) >= 0
                       ? 0
                       : -EIO;
}

static int make_certificate(const char *path, const char *hostname, EVP_PKEY *key, uint64_t now_usec,
                            struct failure *failure)
{
        _cleanup_(X509_freep) X509 *certificate = X509_new();
        _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        time_t now = (time_t)(now_usec / USEC_PER_SEC);

        if (!certificate || !bio || set_identity(certificate, hostname) < 0 ||
            !X509_time_adj_ex(X509_getm_notBefore(certificate), -EARLIER_DAYS, 0, &now) ||
            !X509_time_adj_ex(X509_getm_notAfter(certificate), LIFE_DAYS, 0, &now) ||
            X509_set_pubkey(certificate, key) != 1 || X509_sign(certificate, key, EVP_sha256()) <= 0 ||
            PEM_write_bio_X509(bio, certificate) != 1)
                return refuse(failure, "certificate");
        return save(path, bio, failure);
}

int gateway_identity_ensure(const char *directory, const char *hostname, uint64_t now_usec,
                            struct failure *failure)
{
        _cleanup_free_ char *key_path = path_under(directory, "/" GATEWAY_OWN_KEY),
                            *path = path_under(directory, "/" GATEWAY_OWN_CERTIFICATE);
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        int r;

        if (!key_path || !path)
                return -ENOMEM;
        r = directory_make(directory, 0700);
        if (r < 0)
                return failure_set(failure, r, "GatewayMaterialNotPlaced", "cannot make %s: %s", directory,
                                   strerror(-r));
        r = load_key(key_path, &key, failure);
        if (r < 0)
                return r;
        if (is_good(path, key, now_usec))
                return 0;
        return make_certificate(path, hostname, key, now_usec, failure);
}
