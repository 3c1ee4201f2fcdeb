/* SPDX-License-Identifier: Apache-2.0 */

#include "api.h"

#include <string.h>

#include "http-probe.h"
#include "node.h"
#include "static-pod.h"
#include "text.h"

static const struct http_service service = {
        .name = "kube-apiserver",
        .prefix = "APIServer",
        .remedy = "look at /etc/kubernetes/manifests/kube-apiserver.yaml and "
                  "/var/log/pods/kube-system_kube-apiserver*",
};

/* Its certificate has the address that it advertises, and not 127.0.0.1. While the manifest is away, the
 * address is the last one that was seen. */
static const char *find_url(struct node *node)
{
        char address[STATIC_POD_VALUE_SIZE], port[STATIC_POD_VALUE_SIZE];
        const char *manifest;

        if (kept_static_pod_read(&node->files, node->root, "kube-apiserver", &manifest) >= 0 &&
            static_pod_argument(manifest, "advertise-address", address)) {
                if (!static_pod_argument(manifest, "secure-port", port))
                        (void)snprintf(port, sizeof(port), "6443");
                (void)snprintf(node->api_server_url, sizeof(node->api_server_url),
                               strchr(address, ':') ? "https://[%s]:%s" : "https://%s:%s", address, port);
        }
        return node->api_server_url;
}

/* The names behind "[-]" in the list that /readyz answers with ("[-]etcd failed: reason withheld"). */
static void failing_parts(const char *body, char *buffer, size_t size)
{
        buffer[0] = '\0';
        for (const char *line = body; line; line = strchr(line, '\n')) {
                line += strspn(line, "\n");
                if (strncmp(line, "[-]", 3) == 0)
                        text_append(buffer, size, "%s%.*s", buffer[0] ? ", " : "",
                                    (int)strspn(line + 3, "abcdefghijklmnopqrstuvwxyz0123456789-/."),
                                    line + 3);
        }
}

/* 500 comes with a list of everything, good and bad. */
static void judge(struct http_transfer *transfer, int error, const char *reason, const char *what,
                  struct check_result *ret)
{
        char parts[200];

        api_judge(&service, transfer, error, ret);
        if (error < 0 || ret->status != CHECK_FAIL)
                return;
        failing_parts(http_body(transfer, NULL), parts, sizeof(parts));
        check_result_set(ret, CHECK_FAIL, reason, "kube-apiserver %s (%ld, failing: %s); %s", what,
                         http_status(transfer), parts[0] ? parts : "not said", service.remedy);
}

static void on_readyz(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_result result;

        judge(transfer, error, "APIServerNotReady", "lives and is not ready", &result);
        check_finish(userdata, &result);
}

static void on_livez(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        struct check_result result;
        int r;

        judge(transfer, error, "APIServerUnhealthy", "says that it does not live", &result);
        if (result.status != CHECK_OK) {
                check_finish(run, &result);
                return;
        }
        r = api_start(run, run->node->api_server_url, "/readyz", on_readyz);
        if (r < 0)
                http_probe_fail(run, r);
}

int api_server_start(struct check_run *run)
{
        return api_start(run, find_url(run->node), "/livez", on_livez);
}
