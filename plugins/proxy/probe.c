/* SPDX-License-Identifier: Apache-2.0 */

#include "probe.h"

#include <stdbool.h>
#include <string.h>

#include "credentials.h"
#include "dial.h"
#include "dial-tls.h"
#include "files.h"

#define HTTPS      "https://"
#define ANSWERED   "answered "
#define ANSWER_MAX 1024 /* of which the first line counts */

/* Host and port of a URL that check_proxy let through. */
struct address {
        char host[256], port[8];
        bool tls;
};

static void split_url(const char *url, struct address *ret)
{
        const char *host = strstr(url, "://") + 3, *end;
        bool tls = strncmp(url, HTTPS, strlen(HTTPS)) == 0;

        *ret = (struct address){ .tls = tls };
        if (*host == '[')
                end = strchr(++host, ']');
        else
                end = host + strcspn(host, ":/");
        (void)snprintf(ret->host, sizeof(ret->host), "%.*s", (int)(end - host), host);
        end += *end == ']';
        if (*end == ':')
                (void)snprintf(ret->port, sizeof(ret->port), "%.*s", (int)strspn(end + 1, "0123456789"),
                               end + 1);
        else
                (void)snprintf(ret->port, sizeof(ret->port), "%s", tls ? "443" : "80");
}

static char *make_request(const struct probe *probe)
{
        _cleanup_credentials_ *header = NULL;
        char *request;
        int n;

        if (probe->credentials) {
                header = credentials_header(probe->credentials);
                if (!header)
                        return NULL;
        }
        n = asprintf(&request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", probe->target, probe->target,
                     header ? "Proxy-Authorization: " : "", header ?: "", header ? "\r\n" : "");
        return n < 0 ? NULL : request;
}

int probe_status(const char *answer, size_t size)
{
        if (size < strlen("HTTP/1.1 200") || strncmp(answer, "HTTP/1.", 7) != 0 || !strchr("01", answer[7]) ||
            answer[8] != ' ' || answer[9] < '1' || answer[9] > '5')
                return -EBADMSG;
        for (size_t i = 10; i < 12; i++)
                if (answer[i] < '0' || answer[i] > '9')
                        return -EBADMSG;
        if (size > 12 && !strchr(" \r\n", answer[12]))
                return -EBADMSG;
        return (answer[9] - '0') * 100 + (answer[10] - '0') * 10 + answer[11] - '0';
}

static ssize_t receive(int fd, SSL *tls, char *buffer, size_t size)
{
        return tls ? SSL_read(tls, buffer, (int)size) : read(fd, buffer, size);
}

static void exchange(const struct probe *probe, int fd, SSL *tls, int report)
{
        _cleanup_credentials_ *request = make_request(probe);
        char answer[ANSWER_MAX + 1] = "";
        size_t size = 0;
        int status;

        if (!request)
                return;
        if (tls ? SSL_write(tls, request, (int)strlen(request)) <= 0
                : write_all(fd, request, strlen(request)) < 0) {
                dprintf(report, "%s closed the connection\n", probe->proxy);
                return;
        }
        while (size < ANSWER_MAX && !memchr(answer, '\n', size)) {
                ssize_t n = receive(fd, tls, answer + size, ANSWER_MAX - size);

                if (n <= 0)
                        break;
                size += (size_t)n;
        }
        status = probe_status(answer, size);
        if (status < 0)
                dprintf(report, "%s gave no HTTP answer\n", probe->proxy);
        else
                dprintf(report, ANSWERED "%d\n", status);
}

static void exchange_tls(const struct probe *probe, const struct address *address, int fd, int report)
{
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *tls = NULL;

        if (context && SSL_CTX_set_default_verify_paths(context) == 1)
                tls = dial_tls(context, fd, address->host, address->port, report);
        if (tls)
                exchange(probe, fd, tls, report);
        SSL_free(tls);
        SSL_CTX_free(context);
}

void probe_ask(const struct probe *probe, int report)
{
        _cleanup_close_ int fd = -EBADF;
        struct address address;

        split_url(probe->proxy, &address);
        fd = dial(address.host, address.port, report);
        if (fd < 0)
                return;
        if (address.tls)
                exchange_tls(probe, &address, fd, report);
        else
                exchange(probe, fd, NULL, report);
}

int probe_verdict(const char *output, const char *proxy, const char *target, struct failure *failure)
{
        long status;

        if (strncmp(output, ANSWERED, strlen(ANSWERED)) != 0)
                return failure_set(failure, -EHOSTUNREACH, "ProxyUnreachable", "%s: %.*s", proxy,
                                   *output ? (int)strcspn(output, "\n") : 32,
                                   *output ? output : "no answer within its time");
        status = strtol(output + strlen(ANSWERED), NULL, 10);
        if (status >= 200 && status < 300)
                return 0;
        if (status == 407)
                return failure_set(failure, -EACCES, "ProxyCredentialsRefused",
                                   "%s wants other credentials (407): see credentialsFile", proxy);
        return failure_set(failure, -EACCES, "ProxyRefuses",
                           "%s does not connect to %s (status %ld): allow it there, or correct probe.target",
                           proxy, target, status);
}
