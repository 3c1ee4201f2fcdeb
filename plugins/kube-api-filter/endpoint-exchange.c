/* SPDX-License-Identifier: Apache-2.0 */

/* What endpoint_ask() runs, so that the resident filter maps no TLS. Not for people: the endpoint comes from
 * standard input as the message that exchange-message.h describes, and one line goes to standard output:
 * "answered" when any HTTP answer came, or what went wrong. The caller's alarm ends it. */

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "dial.h"
#include "dial-tls.h"
#include "endpoint.h"
#include "exchange-message.h"
#include "files.h"

static int trust_pem(SSL_CTX *context, const char *pem)
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *certificate;
        int n = 0;

        while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
                n += X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
                X509_free(certificate);
        }
        BIO_free(bio);
        return n > 0 ? 0 : -EINVAL;
}

static SSL_CTX *make_context(const struct endpoint *endpoint)
{
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        int r = 0;

        if (!context)
                return NULL;
        if (endpoint->ca_pem)
                r = trust_pem(context, endpoint->ca_pem);
        else if (endpoint->ca_file)
                r = SSL_CTX_load_verify_file(context, endpoint->ca_file) == 1 ? 0 : -EINVAL;
        else
                r = SSL_CTX_set_default_verify_paths(context) == 1 ? 0 : -EINVAL;
        if (r < 0) {
                SSL_CTX_free(context);
                return NULL;
        }
        return context;
}

static void speak(const struct endpoint *endpoint, SSL *tls)
{
        char request[512], answer[16] = "";
        int n;

        n = snprintf(request, sizeof(request),
                     "GET /livez HTTP/1.1\r\nHost: %.253s\r\nConnection: close\r\n\r\n", endpoint->host);
        if (SSL_write(tls, request, n) != n || SSL_read(tls, answer, sizeof(answer) - 1) < 7 ||
            strncmp(answer, "HTTP/1.", 7) != 0)
                dprintf(STDOUT_FILENO, "no HTTP answer from %s port %s\n", endpoint->host, endpoint->port);
        else
                /* 200, 401 or 403: the API server spoke, and that is the question. */
                dprintf(STDOUT_FILENO, "answered\n");
}

static void ask(const struct endpoint *endpoint)
{
        SSL_CTX *context = make_context(endpoint);
        SSL *tls;
        int fd;

        if (!context) {
                dprintf(STDOUT_FILENO, "cannot read the CA of %s\n", endpoint->host);
                return;
        }
        fd = dial(endpoint->host, endpoint->port, STDOUT_FILENO);
        tls = fd < 0 ? NULL : dial_tls(context, fd, endpoint->host, endpoint->port, STDOUT_FILENO);
        if (tls)
                speak(endpoint, tls);
        SSL_free(tls);
        if (fd >= 0)
                close(fd);
        SSL_CTX_free(context);
}

/* The endpoint's texts are in the message's. */
static int read_endpoint(struct endpoint *endpoint, char **ret_text)
{
        char *at, *end, *name, *value;
        size_t size;
        int r;

        r = file_read("/proc/self/fd/0", EXCHANGE_MESSAGE_MAX, ret_text, &size);
        if (r < 0)
                return r;
        at = *ret_text;
        end = at + size;
        while ((r = exchange_take(&at, end, &name, &value, &size)) > 0) {
                if (strcmp(name, "host") == 0)
                        endpoint->host = value;
                else if (strcmp(name, "port") == 0)
                        endpoint->port = value;
                else if (strcmp(name, "ca-file") == 0)
                        endpoint->ca_file = value;
                else if (strcmp(name, "ca-pem") == 0)
                        endpoint->ca_pem = value;
                else
                        return -EBADMSG;
        }
        return r < 0 || !endpoint->host || !endpoint->port ? -EBADMSG : 0;
}

int main(void)
{
        _cleanup_free_ char *text = NULL;
        struct endpoint endpoint = {};
        int r;

        r = read_endpoint(&endpoint, &text);
        if (r < 0)
                dprintf(STDOUT_FILENO, "cannot read which endpoint to ask: %s\n", strerror(-r));
        else
                ask(&endpoint);
        return 0;
}
