/* SPDX-License-Identifier: Apache-2.0 */
#include "x509.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "files.h"
#include "quantity.h"

#define NODE_NAME_MAX 253

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* One PEM block. It may be a private key that stands in the same file, so it is zeroed. */
struct block {
        char *name, *header;
        unsigned char *data;
        long size;
};

static void block_clear(struct block *block)
{
        OPENSSL_free(block->name);
        OPENSSL_free(block->header);
        OPENSSL_clear_free(block->data, block->size > 0 ? (size_t)block->size : 0);
        *block = (struct block){};
}

/* OpenSSL's last word on what went wrong; empties its queue, which nobody else would. */
static const char *openssl_reason(void)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        ERR_clear_error();
        return reason ? reason : "unknown form";
}

void certificates_clear(struct certificates *certificates)
{
        for (size_t i = 0; i < certificates->count; i++)
                X509_free(certificates->items[i]);
        free(certificates->items);
        *certificates = (struct certificates){};
}

/* The block's certificate, or NULL when its bytes are not exactly one. */
static X509 *block_certificate(const struct block *block)
{
        const unsigned char *p = block->data;
        X509 *certificate;

        /* "TRUSTED CERTIFICATE" is openssl x509 -trustout: trust settings follow the certificate. */
        if (strcmp(block->name, PEM_STRING_X509_TRUSTED) == 0)
                certificate = d2i_X509_AUX(NULL, &p, block->size);
        else
                certificate = d2i_X509(NULL, &p, block->size);
        if (certificate && p != block->data + block->size) {
                X509_free(certificate);
                return NULL;
        }
        return certificate;
}

static bool is_certificate(const struct block *block)
{
        return strcmp(block->name, PEM_STRING_X509) == 0 || strcmp(block->name, PEM_STRING_X509_OLD) == 0 ||
               strcmp(block->name, PEM_STRING_X509_TRUSTED) == 0;
}

/* Calls each() with the certificate of one block; `n` were before it. */
static int each_block(const struct block *block, const char *name, size_t n, certificate_fn *each,
                      void *userdata, struct failure *failure)
{
        X509 *certificate;
        int r;

        if (n == X509_CERTIFICATES_MAX)
                return failure_set(failure, -EINVAL, "InvalidCertificate", "%s: more than %d certificates",
                                   name, X509_CERTIFICATES_MAX);
        certificate = block_certificate(block);
        if (!certificate)
                return failure_set(failure, -EINVAL, "InvalidCertificate",
                                   "%s: certificate number %zu does not parse: %s", name, n + 1,
                                   openssl_reason());
        r = each(certificate, userdata);
        X509_free(certificate);
        return r;
}

static int parse_each(const char *name, const char *pem, size_t size, certificate_fn *each, void *userdata,
                      struct failure *failure)
{
        _cleanup_(BIO_free_allp) BIO *bio = NULL;
        size_t n = 0;
        int r;

        if (size > X509_FILE_MAX)
                return failure_set(failure, -EINVAL, "InvalidCertificate", "%s: larger than %d bytes", name,
                                   X509_FILE_MAX);
        bio = BIO_new_mem_buf(pem, (int)size);
        if (!bio)
                return -ENOMEM;

        ERR_clear_error();
        for (;;) {
                _cleanup_(block_clear) struct block block = {};

                if (PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.size) != 1)
                        break;
                if (!is_certificate(&block))
                        continue;
                r = each_block(&block, name, n++, each, userdata, failure);
                if (r < 0)
                        return r;
        }

        /* Behind the last block OpenSSL finds no further start line; anything else broke in the middle. */
        if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                return failure_set(failure, -EINVAL, "InvalidCertificate",
                                   "%s: the PEM block behind certificate number %zu does not parse: %s", name,
                                   n, openssl_reason());
        ERR_clear_error();
        if (n == 0)
                return failure_set(failure, -ENODATA, "NoCertificate",
                                   "%s: holds no certificate; expected PEM with -----BEGIN CERTIFICATE-----",
                                   name);
        return 0;
}

int certificates_load_each(const char *path, certificate_fn *each, void *userdata, struct failure *failure)
{
        _cleanup_free_ char *pem = NULL;
        size_t size;
        int r;

        r = file_read(path, X509_FILE_MAX, &pem, &size);
        if (r < 0)
                return failure_set(failure, r, "CertificateUnreadable", "%s: %s", path, strerror(-r));
        r = parse_each(path, pem, size, each, userdata, failure);
        OPENSSL_cleanse(pem, size); /* certificate and key in one file is a common form */
        return r;
}

static int keep(X509 *certificate, void *userdata)
{
        struct certificates *certificates = userdata;
        X509 **items = reallocarray(certificates->items, certificates->count + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        certificates->items = items;
        X509_up_ref(certificate);
        items[certificates->count++] = certificate;
        return 0;
}

int certificates_parse(const char *name, const char *pem, size_t size, struct certificates *ret,
                       struct failure *failure)
{
        _cleanup_certificates_ certificates = {};
        int r;

        r = parse_each(name, pem, size, keep, &certificates, failure);
        if (r < 0)
                return r;
        *ret = certificates;
        certificates = (struct certificates){};
        return 0;
}

int certificates_load(const char *path, struct certificates *ret, struct failure *failure)
{
        _cleanup_certificates_ certificates = {};
        int r;

        r = certificates_load_each(path, keep, &certificates, failure);
        if (r < 0)
                return r;
        *ret = certificates;
        certificates = (struct certificates){};
        return 0;
}

/* Notes that the key is encrypted instead of asking on the terminal, which is what OpenSSL does by itself. */
static int refuse_passphrase(char *buffer, int size, int writing, void *userdata)
{
        bool *encrypted = userdata;

        *encrypted = true;
        return -1;
}

int certificate_check_key(X509 *certificate, const char *name, const char *pem, size_t size,
                          struct failure *failure)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        _cleanup_(BIO_free_allp) BIO *bio = NULL;
        bool encrypted = false;
        int matches;

        if (size > X509_FILE_MAX)
                return failure_set(failure, -EINVAL, "InvalidKey", "%s: larger than %d bytes", name,
                                   X509_FILE_MAX);
        bio = BIO_new_mem_buf(pem, (int)size);
        if (!bio)
                return -ENOMEM;

        ERR_clear_error();
        key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &encrypted);
        if (!key && encrypted) {
                ERR_clear_error();
                return failure_set(failure, -EINVAL, "InvalidKey",
                                   "%s: the key is encrypted; decrypt it with openssl pkey", name);
        }
        if (!key)
                return failure_set(failure, -EINVAL, "InvalidKey",
                                   "%s: holds no private key that OpenSSL can read: %s", name,
                                   openssl_reason());

        matches = X509_check_private_key(certificate, key);
        ERR_clear_error();
        if (matches != 1)
                return failure_set(failure, -EKEYREJECTED, "KeyMismatch",
                                   "%s: the key does not belong to the certificate", name);
        return 0;
}

bool certificate_is_ca(X509 *certificate)
{
        /* 1 is basicConstraints CA:TRUE, 3 a self-signed root from before extensions (X.509 v1). The other
         * answers are guesses from keyUsage and Netscape's extension, which RFC 5280 does not take for a CA.
         */
        int answer = X509_check_ca(certificate);

        return answer == 1 || answer == 3;
}

static uint64_t time_usec(const ASN1_TIME *when)
{
        struct tm tm = {};
        time_t seconds;

        if (!when || ASN1_TIME_to_tm(when, &tm) != 1) {
                ERR_clear_error();
                return 0;
        }
        seconds = timegm(&tm);
        return seconds > 0 ? (uint64_t)seconds * USEC_PER_SEC : 0;
}

uint64_t certificate_not_after(X509 *certificate)
{
        return time_usec(X509_get0_notAfter(certificate));
}

uint64_t certificate_not_before(X509 *certificate)
{
        return time_usec(X509_get0_notBefore(certificate));
}

/* The entry's text as UTF-8. Returns -EINVAL for one that is not text, or text with a NUL byte: what follows
 * the NUL would be invisible to whoever compares C strings (CVE-2009-2408). */
static int entry_text(const X509_NAME_ENTRY *entry, char **ret)
{
        unsigned char *utf8 = NULL;
        char *text = NULL;
        int length, r = 0;

        length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
        if (length < 0) {
                ERR_clear_error();
                return -EINVAL;
        }
        if (memchr(utf8, '\0', (size_t)length))
                r = -EINVAL;
        else if (!(text = strndup((const char *)utf8, (size_t)length)))
                r = -ENOMEM;
        OPENSSL_free(utf8);
        if (r < 0)
                return r;

        *ret = text;
        return 0;
}

int certificate_common_name(X509 *certificate, char **ret)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        int position = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

        if (position < 0)
                return -ENODATA;
        return entry_text(X509_NAME_get_entry(subject, position), ret);
}

/* A DNS subdomain (kubernetes.io/docs/concepts/overview/working-with-objects/names). */
static bool is_node_name(const char *name)
{
        size_t length = strlen(name);

        return length > 0 && length <= NODE_NAME_MAX && name[0] != '.' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length;
}

int certificate_node_name(X509 *certificate, char **ret)
{
        static const char prefix[] = "system:node:";
        _cleanup_free_ char *user = NULL;
        char *name;
        int r;

        r = certificate_common_name(certificate, &user);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (strncmp(user, prefix, strlen(prefix)) != 0 || !is_node_name(user + strlen(prefix)))
                return -EINVAL;
        name = strdup(user + strlen(prefix));
        if (!name)
                return -ENOMEM;
        *ret = name;
        return 0;
}

int certificate_pin(X509 *certificate, char ret_pin[static CERTIFICATE_PIN_SIZE])
{
        unsigned char digest[SHA256_SIZE], base64[CERTIFICATE_PIN_SIZE - 7], *der = NULL;
        int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
        bool good = size > 0 && EVP_Digest(der, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1;

        OPENSSL_free(der);
        if (!good)
                return -EIO;
        EVP_EncodeBlock(base64, digest, sizeof(digest));
        (void)snprintf(ret_pin, CERTIFICATE_PIN_SIZE, "sha256/%s", (char *)base64);
        return 0;
}

int certificate_each_organization(X509 *certificate, int (*each)(const char *organization, void *userdata),
                                  void *userdata)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        int position = -1;

        while ((position = X509_NAME_get_index_by_NID(subject, NID_organizationName, position)) >= 0) {
                _cleanup_free_ char *text = NULL;
                int r;

                r = entry_text(X509_NAME_get_entry(subject, position), &text);
                if (r == -EINVAL)
                        continue;
                if (r == 0)
                        r = each(text, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

int certificate_pem(X509 *certificate, char **ret)
{
        _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        char *data;
        long size;

        if (!bio || PEM_write_bio_X509(bio, certificate) != 1)
                return -ENOMEM;
        size = BIO_get_mem_data(bio, &data);
        *ret = strndup(data, (size_t)size);
        return *ret ? 0 : -ENOMEM;
}

const char *certificate_go_refusal(X509 *certificate)
{
        const STACK_OF(X509_EXTENSION) *extensions = X509_get0_extensions(certificate);

        if (ASN1_STRING_type(X509_get0_serialNumber(certificate)) == V_ASN1_NEG_INTEGER)
                return "its serial number is negative, which Go refuses";
        for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
                ASN1_OBJECT *object = X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, i));

                if (X509v3_get_ext_by_OBJ(extensions, object, i) >= 0)
                        return "has an extension twice, which Go refuses";
        }
        return NULL;
}
