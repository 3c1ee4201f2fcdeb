/* SPDX-License-Identifier: Apache-2.0 */

#include "local-services.h"

#include <string.h>

#include "http-probe.h"
#include "node.h"
#include "static-pod.h"

static unsigned kube_proxy_port = 10256; /* the tests have their own server */

static const struct http_service kubelet = {
        .name = "the kubelet",
        .prefix = "Kubelet",
        .remedy = "look at: journalctl -u kubelet",
};
static const struct http_service kube_proxy = {
        .name = "kube-proxy",
        .prefix = "KubeProxy",
        .remedy = "look at the log of the node's pod kube-proxy",
};
static const struct http_service scheduler = {
        .name = "kube-scheduler",
        .prefix = "Scheduler",
        .remedy = "look at /etc/kubernetes/manifests/kube-scheduler.yaml and "
                  "/var/log/pods/kube-system_kube-scheduler*",
};
static const struct http_service controller_manager = {
        .name = "kube-controller-manager",
        .prefix = "ControllerManager",
        .remedy = "look at /etc/kubernetes/manifests/kube-controller-manager.yaml and "
                  "/var/log/pods/kube-system_kube-controller-manager*",
};

static void finish(struct check_run *run, const struct http_service *service, struct http_transfer *transfer,
                   int error)
{
        struct check_result result;

        http_probe_judge(service, transfer, error, &result);
        check_finish(run, &result);
}

static void on_kubelet(struct http_transfer *transfer, int error, void *userdata)
{
        finish(userdata, &kubelet, transfer, error);
}

int kubelet_health_start(struct check_run *run)
{
        struct http_request request = { .method = "GET", .url = "http://127.0.0.1:10248/healthz" };

        if (role_has_joined(run->node->root))
                return http_probe_start(run, &request, on_kubelet);
        check_finish_absent(run); /* the row `kubelet` says why */
        return 0;
}

static void on_kube_proxy(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;

        /* Many networks do without it. Where its pod is, it has to listen. */
        if (error == -ECONNREFUSED && !runtime_has_pod(&run->node->runtime, "kube-proxy-"))
                check_finish_absent(run);
        else
                finish(run, &kube_proxy, transfer, error);
}

static int ask_kube_proxy(struct check_run *run, const char *path, http_done_fn done)
{
        char url[64];
        struct http_request request = { .method = "GET", .url = url };

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", kube_proxy_port, path);
        return http_probe_start(run, &request, done);
}

/* /healthz says 503 also of a node that the autoscaler is about to delete (KEP-3836), /livez does not; before
 * Kubernetes 1.28 there is no /livez. */
static void on_kube_proxy_livez(struct http_transfer *transfer, int error, void *userdata)
{
        int r;

        if (error < 0 || http_status(transfer) != 404) {
                on_kube_proxy(transfer, error, userdata);
                return;
        }
        r = ask_kube_proxy(userdata, "/healthz", on_kube_proxy);
        if (r < 0)
                http_probe_fail(userdata, r);
}

int kube_proxy_start(struct check_run *run)
{
        return ask_kube_proxy(run, "/livez", on_kube_proxy_livez);
}

/* Where a static pod listens, by its manifest; while that is away, where kubeadm lets it. */
static void healthz_url(struct node *node, const char *pod, const char *default_port, char *url, size_t size)
{
        char address[STATIC_POD_VALUE_SIZE], port[STATIC_POD_VALUE_SIZE];
        const char *manifest;
        bool found = kept_static_pod_read(&node->files, node->root, pod, &manifest) >= 0;

        if (!found || !static_pod_argument(manifest, "bind-address", address) ||
            strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0)
                (void)snprintf(address, sizeof(address), "127.0.0.1");
        if (!found || !static_pod_argument(manifest, "secure-port", port))
                (void)snprintf(port, sizeof(port), "%s", default_port);
        (void)snprintf(url, size, strchr(address, ':') ? "https://[%s]:%s/healthz" : "https://%s:%s/healthz",
                       address, port);
}

static int start(struct check_run *run, const char *pod, const char *default_port, http_done_fn done)
{
        char url[2 * STATIC_POD_VALUE_SIZE + 32];
        struct http_request request = { .method = "GET", .url = url, .unverified = true };

        healthz_url(run->node, pod, default_port, url, sizeof(url));
        return http_probe_start(run, &request, done);
}

static void on_scheduler(struct http_transfer *transfer, int error, void *userdata)
{
        finish(userdata, &scheduler, transfer, error);
}

int scheduler_start(struct check_run *run)
{
        return start(run, "kube-scheduler", "10259", on_scheduler);
}

static void on_controller_manager(struct http_transfer *transfer, int error, void *userdata)
{
        finish(userdata, &controller_manager, transfer, error);
}

int controller_manager_start(struct check_run *run)
{
        return start(run, "kube-controller-manager", "10257", on_controller_manager);
}
