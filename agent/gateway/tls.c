/* SPDX-License-Identifier: Apache-2.0 */

#include "tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "files.h"
#include "x509.h"

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* What a client may send as its certificate and intermediates; OpenSSL's own limit is 100 KiB. */
#define CLIENT_CHAIN_MAX (32 * 1024)

/* For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct secret {
        char *text;
        size_t size;
};

static void secret_clear(struct secret *secret)
{
        if (secret->text)
                OPENSSL_cleanse(secret->text, secret->size);
        free(secret->text);
}

static int refuse(struct failure *failure, const char *path)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        ERR_clear_error();
        return failure_set(failure, -EINVAL, "TLSMaterialRefused", "%s: OpenSSL refuses it: %s", path,
                           reason ? reason : "unknown reason");
}

static int use_chain(SSL_CTX *context, const struct certificates *chain, const char *path,
                     struct failure *failure)
{
        if (SSL_CTX_use_certificate(context, chain->items[0]) != 1)
                return refuse(failure, path);
        for (size_t i = 1; i < chain->count; i++)
                if (SSL_CTX_add1_chain_cert(context, chain->items[i]) != 1)
                        return refuse(failure, path);
        return 0;
}

static int use_key(SSL_CTX *context, X509 *certificate, const char *path, struct failure *failure)
{
        _cleanup_(secret_clear) struct secret secret = {};
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        _cleanup_(BIO_free_allp) BIO *bio = NULL;
        int r;

        r = file_read(path, X509_FILE_MAX, &secret.text, &secret.size);
        if (r < 0)
                return failure_set(failure, r, "KeyUnreadable", "%s: %s", path, strerror(-r));
        r = certificate_check_key(certificate, path, secret.text, secret.size, failure);
        if (r < 0)
                return r;
        bio = BIO_new_mem_buf(secret.text, (int)secret.size);
        if (!bio)
                return -ENOMEM;
        key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        if (!key || SSL_CTX_use_PrivateKey(context, key) != 1)
                return refuse(failure, path);
        return 0;
}

static int use_certificate(SSL_CTX *context, const char *directory, struct failure *failure)
{
        _cleanup_free_ char *certificate = path_under(directory, "/" TLS_CERTIFICATE);
        _cleanup_free_ char *key = path_under(directory, "/" TLS_KEY);
        _cleanup_certificates_ chain = {};
        int r;

        if (!certificate || !key)
                return -ENOMEM;
        r = certificates_load(certificate, &chain, failure);
        if (r < 0)
                return r;
        r = use_chain(context, &chain, certificate, failure);
        if (r < 0)
                return r;
        return use_key(context, chain.items[0], key, failure);
}

static int use_client_ca(SSL_CTX *context, const char *directory, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(directory, "/" TLS_CLIENT_CA);
        X509_STORE *store = SSL_CTX_get_cert_store(context);
        _cleanup_certificates_ authorities = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = certificates_load(path, &authorities, failure);
        if (r < 0)
                return r;
        for (size_t i = 0; i < authorities.count; i++) {
                /* A leaf among them would be trusted as itself, because of the flag below. */
                if (!certificate_is_ca(authorities.items[i]))
                        return failure_set(failure, -EINVAL, "NotACertificateAuthority",
                                           "%s: certificate number %zu is not a CA", path, i + 1);
                if (X509_STORE_add_cert(store, authorities.items[i]) != 1 ||
                    SSL_CTX_add_client_CA(context, authorities.items[i]) != 1)
                        return refuse(failure, path);
        }
        /* What stands in the file is trusted, also an intermediate without its root: as the API server does
         * it. */
        return X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 ? 0 : -ENOMEM;
}

static int configure(SSL_CTX *context)
{
        /* A client certificate can only be demanded and checked against the CA of now in a full handshake. */
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                             SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_MAX);
        /* A server's check demands the purpose clientAuth by itself (SSL_CTX_set_verify(3)). */
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        return SSL_CTX_set_num_tickets(context, 0) == 1 &&
                               SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                               SSL_CTX_set_cipher_list(context, TLS12_CIPHERS) == 1
                       ? 0
                       : -EIO;
}

int tls_context_new(const char *directory, SSL_CTX **ret, struct failure *failure)
{
        _cleanup_(SSL_CTX_freep) SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        int r;

        if (!context)
                return -ENOMEM;
        r = configure(context);
        if (r < 0)
                return refuse(failure, "TLS settings");
        r = use_certificate(context, directory, failure);
        if (r < 0)
                return r;
        r = use_client_ca(context, directory, failure);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(context);
        return 0;
}
