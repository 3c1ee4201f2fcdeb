/* SPDX-License-Identifier: Apache-2.0 */

#include "http-probe.h"

#include <ctype.h>
#include <string.h>

#include "node.h"
#include "quantity.h"
#include "resident-memory.h"
#include "timestamp.h"

#define EXCERPT_SIZE          160
#define CONNECTIONS_KEPT_USEC (10 * USEC_PER_MIN)

static void cancel_transfer(struct check_run *run)
{
        http_cancel(run->userdata);
}

static void cancel_call(struct check_run *run)
{
        grpc_cancel(run->userdata);
}

/* A TLS handshake costs more than all else that a check does, so connections are kept; but not for long,
 * because whether a new one is accepted is also asked. */
static int open_client(struct node *node)
{
        uint64_t now_usec = now_boottime_usec();

        if (node->http && now_usec >= node->http_until_usec && http_client_is_idle(node->http))
                node->http = http_client_free(node->http);
        if (node->http)
                return 0;
        node->http_until_usec = now_usec + CONNECTIONS_KEPT_USEC;
        return http_client_new(node->event, &node->http);
}

int http_probe_start(struct check_run *run, struct http_request *request, http_done_fn done)
{
        struct http_transfer *transfer;
        int r;

        r = open_client(run->node);
        if (r < 0)
                return r;
        request->userdata = run;
        request->timeout_usec = request->timeout_usec ?: HTTP_PROBE_TIMEOUT_USEC;
        r = http_start(run->node->http, request, done, &transfer);
        if (r < 0)
                return r;
        run->userdata = transfer;
        run->cancel = cancel_transfer;
        return 0;
}

int http_probe_call(struct check_run *run, struct grpc_request *request, grpc_done_fn done)
{
        struct grpc_call *call;
        int r;

        r = open_client(run->node);
        if (r < 0)
                return r;
        request->userdata = run;
        request->timeout_usec = request->timeout_usec ?: HTTP_PROBE_TIMEOUT_USEC;
        r = grpc_start(run->node->http, request, done, &call);
        if (r < 0)
                return r;
        run->userdata = call;
        run->cancel = cancel_call;
        return 0;
}

/* 1 MB, which nobody else on a node maps and mostly handshakes and certificates use. libcurl and the program
 * are needed in each round, and to map them anew was a fifth of what it cost. Where the libraries lie is
 * asked once: the linker's tables are in them. */
void http_probe_rest(void)
{
        static const char *const libraries[] = { "libssl.so.", "libcrypto.so.", "libnghttp2.so.",
                                                 "libyaml-0.so.", NULL };
        static struct resident_memory_part parts[8];
        static size_t count;

        if (count == 0)
                count = resident_memory_find(libraries, parts, ELEMENTS(parts));
        resident_memory_unmap(parts, count);
}

void http_probe_fail(struct check_run *run, int error)
{
        struct check_result result;

        check_result_set(&result, CHECK_UNKNOWN, "CheckFailed", "cannot check: %s", strerror(-error));
        check_finish(run, &result);
}

static void set(struct check_result *result, const struct http_service *service, enum check_status status,
                const char *suffix, const char *text)
{
        char reason[sizeof(result->reason)];

        (void)snprintf(reason, sizeof(reason), "%s%s", service->prefix, suffix);
        if (status == CHECK_OK)
                check_result_set(result, status, reason, "%s %s", service->name, text);
        else
                check_result_set(result, status, reason, "%s %s; %s", service->name, text, service->remedy);
}

void http_probe_judge_error(const struct http_service *service, int error, const char *detail,
                            struct check_result *ret)
{
        char text[300];

        switch (error) {
        case -ECONNREFUSED:
                (void)snprintf(text, sizeof(text), "does not listen (%s)", detail);
                set(ret, service, CHECK_FAIL, "NotListening", text);
                break;
        case -EKEYREJECTED:
                (void)snprintf(text, sizeof(text), "refuses the TLS connection, or we its certificate (%s)",
                               detail);
                set(ret, service, CHECK_FAIL, "CertificateRefused", text);
                break;
        default:
                (void)snprintf(text, sizeof(text), "does not answer (%s)", detail);
                set(ret, service, CHECK_FAIL, "NotAnswering", text);
                break;
        }
}

/* The start of a body that somebody else wrote, on one line and in ASCII. */
static void excerpt(const char *body, char buffer[static EXCERPT_SIZE])
{
        size_t n = 0;

        for (; *body && n < EXCERPT_SIZE - 1; body++) {
                if (isgraph((unsigned char)*body))
                        buffer[n++] = *body;
                else if (n > 0 && buffer[n - 1] != ' ')
                        buffer[n++] = ' ';
        }
        buffer[n] = '\0';
}

void http_probe_judge(const struct http_service *service, struct http_transfer *transfer, int error,
                      struct check_result *ret)
{
        char body[EXCERPT_SIZE], text[EXCERPT_SIZE + 64];

        if (error < 0) {
                http_probe_judge_error(service, error, http_error_text(transfer), ret);
        } else if (http_status(transfer) != 200) {
                excerpt(http_body(transfer, NULL), body);
                (void)snprintf(text, sizeof(text), "answers %ld: %s", http_status(transfer), body);
                set(ret, service, CHECK_FAIL, "Unhealthy", text);
        } else {
                set(ret, service, CHECK_OK, "Answers", "answers");
        }
}
