/* SPDX-License-Identifier: Apache-2.0 */

#include "endpoint.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "dial.h"
#include "dial-tls.h"
#include "kubeconfig.h"

#define HTTPS      "https://"
#define HTTPS_PORT "443"

void endpoint_clear(struct endpoint *endpoint)
{
        free(endpoint->host);
        free(endpoint->port);
        free(endpoint->ca_file);
        free(endpoint->ca_pem);
        *endpoint = (struct endpoint){};
}

/* "https://HOST:PORT/…", "https://[V6]:PORT". */
static int split_server(const char *server, struct endpoint *endpoint)
{
        const char *host = server + strlen(HTTPS), *end, *port;

        if (strncmp(server, HTTPS, strlen(HTTPS)) != 0)
                return -EINVAL;
        if (host[0] == '[') {
                end = strchr(++host, ']');
                if (!end)
                        return -EINVAL;
                port = end + 1;
        } else {
                end = port = host + strcspn(host, ":/");
        }
        endpoint->host = strndup(host, (size_t)(end - host));
        endpoint->port = *port == ':' ? strndup(port + 1, strcspn(port + 1, "/")) : strdup(HTTPS_PORT);
        return endpoint->host && endpoint->port ? 0 : -ENOMEM;
}

int endpoint_load(const char *root, const char *path, struct endpoint *ret, struct failure *failure)
{
        _cleanup_(endpoint_clear) struct endpoint endpoint = {};
        _cleanup_kubeconfig_ kubeconfig = {};
        int r;

        r = kubeconfig_load(root, path, &kubeconfig, failure);
        if (r < 0)
                return r;
        r = split_server(kubeconfig.server, &endpoint);
        if (r < 0)
                return r;
        endpoint.ca_file = TAKE_PTR(kubeconfig.ca.path);
        endpoint.ca_pem = TAKE_PTR(kubeconfig.ca.pem);
        *ret = endpoint;
        endpoint = (struct endpoint){};
        return 0;
}

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

static void speak(const struct endpoint *endpoint, SSL *tls, int report)
{
        char request[512], answer[16] = "";
        int n;

        n = snprintf(request, sizeof(request),
                     "GET /livez HTTP/1.1\r\nHost: %.253s\r\nConnection: close\r\n\r\n", endpoint->host);
        if (SSL_write(tls, request, n) != n || SSL_read(tls, answer, sizeof(answer) - 1) < 7 ||
            strncmp(answer, "HTTP/1.", 7) != 0)
                dprintf(report, "no HTTP answer from %s port %s\n", endpoint->host, endpoint->port);
        else
                /* 200, 401 or 403: the API server spoke, and that is the question. */
                dprintf(report, "answered\n");
}

void endpoint_ask(const struct endpoint *endpoint, int report)
{
        SSL_CTX *context = make_context(endpoint);
        SSL *tls;
        int fd;

        if (!context) {
                dprintf(report, "cannot read the CA of %s\n", endpoint->host);
                return;
        }
        fd = dial(endpoint->host, endpoint->port, report);
        tls = fd < 0 ? NULL : dial_tls(context, fd, endpoint->host, endpoint->port, report);
        if (tls)
                speak(endpoint, tls, report);
        SSL_free(tls);
        if (fd >= 0)
                close(fd);
        SSL_CTX_free(context);
}
