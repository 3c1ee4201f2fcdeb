/* SPDX-License-Identifier: Apache-2.0 */

#include "endpoint.h"

#include <string.h>
#include <unistd.h>

#include "exchange-message.h"
#include "exchange-process.h"
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

/* Returns the descriptor of a file with the message, or -errno. */
static int endpoint_message(const struct endpoint *endpoint)
{
        struct exchange_question question;
        int r;

        r = exchange_question_new(&question);
        if (r < 0)
                return r;
        exchange_put_text(question.stream, "host", endpoint->host);
        exchange_put_text(question.stream, "port", endpoint->port);
        exchange_put_text(question.stream, "ca-file", endpoint->ca_file);
        exchange_put_text(question.stream, "ca-pem", endpoint->ca_pem);
        return exchange_question_file(&question);
}

/* Only returns when it cannot. */
static int become_exchange(int in, int out)
{
        char *const arguments[] = { (char *)ENDPOINT_EXCHANGE, NULL };

        if (in < 0)
                return in;
        if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
                return -errno;
        execv(ENDPOINT_EXCHANGE, arguments);
        return -errno;
}

void endpoint_ask(const struct endpoint *endpoint, int report)
{
        int r = become_exchange(endpoint_message(endpoint), report);

        dprintf(report, "cannot run " ENDPOINT_EXCHANGE ": %s\n", strerror(-r));
}
