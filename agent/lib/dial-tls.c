/* SPDX-License-Identifier: Apache-2.0 */

#include "dial-tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "cidr.h"

static const char *tls_error(const SSL *tls)
{
        long verified = SSL_get_verify_result(tls);
        const char *text = ERR_reason_error_string(ERR_peek_last_error());

        return verified != X509_V_OK ? X509_verify_cert_error_string(verified)
               : text                ? text
                                     : "connection closed";
}

SSL *dial_tls(SSL_CTX *context, int fd, const char *host, const char *port, int report)
{
        SSL *tls = SSL_new(context);
        enum ip_family family;
        ip_number number;

        if (!tls || SSL_set_fd(tls, fd) != 1) {
                SSL_free(tls);
                return NULL;
        }
        SSL_set_verify(tls, SSL_VERIFY_PEER, NULL);
        if (ip_parse(host, &family, &number) >= 0)
                (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host);
        else if (SSL_set1_host(tls, host) == 1)
                (void)SSL_set_tlsext_host_name(tls, host);
        if (SSL_connect(tls) == 1)
                return tls;
        dprintf(report, "TLS with %s port %s: %s\n", host, port, tls_error(tls));
        SSL_free(tls);
        return NULL;
}
