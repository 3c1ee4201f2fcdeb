/* SPDX-License-Identifier: Apache-2.0 */

#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(X509_STORE_CTX *, X509_STORE_CTX_free)
DEFINE_CLEANUP(BIO *, BIO_free_all)

static int check_chain(X509 *leaf, STACK_OF(X509) * chain, SSL_CTX *context, struct failure *failure)
{
        _cleanup_(X509_STORE_CTX_freep) X509_STORE_CTX *check = X509_STORE_CTX_new();
        const char *reason;

        if (!check || X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context), leaf, chain) != 1 ||
            X509_STORE_CTX_set_default(check, "ssl_client") != 1)
                return -ENOMEM;
        if (X509_verify_cert(check) == 1)
                return 0;
        reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(check));
        ERR_clear_error();
        return failure_set(failure, -EACCES, "ClientCertificateRefused",
                           "the client certificate is refused: %s", reason);
}

static bool entry_is(const X509_NAME_ENTRY *entry, const char *name)
{
        unsigned char *utf8 = NULL;
        int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
        bool is;

        if (size < 0) {
                ERR_clear_error();
                return false;
        }
        /* By length: a NUL byte within the name must not end it (CVE-2009-2408). */
        is = (size_t)size == strlen(name) && memcmp(utf8, name, (size_t)size) == 0;
        OPENSSL_free(utf8);
        return is;
}

static bool entry_is_listed(const X509_NAME_ENTRY *entry, const struct config_strings *names)
{
        for (size_t i = 0; i < names->count; i++)
                if (entry_is(entry, names->items[i]))
                        return true;
        return false;
}

static bool lists_common_name(const X509_NAME *subject, const struct config_strings *names)
{
        int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

        /* With two common names it depends on the reader which one counts (Go takes the last, others the
         * first), so whoever signed it may have looked at the other one. */
        if (first < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0)
                return false;
        return entry_is_listed(X509_NAME_get_entry(subject, first), names);
}

static bool lists_organization(const X509_NAME *subject, const struct config_strings *names)
{
        for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_organizationName, i)) >= 0;)
                if (entry_is_listed(X509_NAME_get_entry(subject, i), names))
                        return true;
        return false;
}

static bool lists_subject(const X509_NAME *subject, const struct gateway_allow *allow)
{
        return lists_common_name(subject, &allow->common_names) ||
               lists_organization(subject, &allow->organizations);
}

int peer_check(SSL *ssl, SSL_CTX *context, const struct gateway_config *config, enum peer_role *ret_role,
               struct failure *failure)
{
        _cleanup_(X509_freep) X509 *leaf = SSL_get1_peer_certificate(ssl);
        const X509_NAME *subject;
        int r;

        if (!leaf)
                return failure_set(failure, -EACCES, "NoClientCertificate", "there is no client certificate");
        r = check_chain(leaf, SSL_get_peer_cert_chain(ssl), context, failure);
        if (r < 0)
                return r;

        subject = X509_get_subject_name(leaf);
        if (lists_subject(subject, &config->allow))
                *ret_role = PEER_READER;
        else if (lists_subject(subject, &config->scrape))
                *ret_role = PEER_SCRAPER;
        else
                return failure_set(
                        failure, -EACCES, "SubjectNotAllowed",
                        "the certificate's subject is not allowed; add its common name or organization to "
                        "\"allow\" in gateway.json");
        return 0;
}

const char *peer_handshake_refusal(const SSL *ssl)
{
        unsigned long error = ERR_peek_error();
        long verdict = SSL_get_verify_result(ssl);

        if (verdict != X509_V_OK)
                return X509_verify_cert_error_string(verdict);
        if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
            ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
                return "it shows no certificate";
        return NULL;
}

int peer_identify(SSL *ssl, uint8_t ret_id[static CLIENT_ID_SIZE])
{
        _cleanup_(X509_freep) X509 *leaf = SSL_get1_peer_certificate(ssl);
        unsigned char digest[EVP_MAX_MD_SIZE];

        if (!leaf || X509_digest(leaf, EVP_sha256(), digest, NULL) != 1) {
                ERR_clear_error();
                return -EIO;
        }
        memcpy(ret_id, digest, CLIENT_ID_SIZE);
        return 0;
}

static void describe_address(int fd, char *buffer, size_t size)
{
        struct sockaddr_storage storage = {};
        socklen_t length = sizeof(storage);
        char text[INET6_ADDRSTRLEN];

        (void)snprintf(buffer, size, "an unknown address");
        if (getpeername(fd, (struct sockaddr *)&storage, &length) < 0)
                return;
        if (storage.ss_family == AF_INET) {
                const struct sockaddr_in *v4 = (const struct sockaddr_in *)&storage;

                if (inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)))
                        (void)snprintf(buffer, size, "%s:%u", text, ntohs(v4->sin_port));
        } else if (storage.ss_family == AF_INET6) {
                const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&storage;

                if (inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)))
                        (void)snprintf(buffer, size, "[%s]:%u", text, ntohs(v6->sin6_port));
        }
}

char *peer_describe(SSL *ssl, char buffer[static PEER_TEXT_SIZE])
{
        _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        _cleanup_(X509_freep) X509 *leaf = SSL_get1_peer_certificate(ssl);
        char address[INET6_ADDRSTRLEN + 16], *subject = NULL;
        long size = 0;

        describe_address(SSL_get_fd(ssl), address, sizeof(address));
        if (bio && leaf && X509_NAME_print_ex(bio, X509_get_subject_name(leaf), 0, XN_FLAG_RFC2253) >= 0)
                size = BIO_get_mem_data(bio, &subject);
        if (size > 0)
                (void)snprintf(buffer, PEER_TEXT_SIZE, "%.*s from %s", size > 384 ? 384 : (int)size, subject,
                               address);
        else
                (void)snprintf(buffer, PEER_TEXT_SIZE, "a client from %s", address);
        return buffer;
}
