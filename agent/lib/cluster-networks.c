/* SPDX-License-Identifier: Apache-2.0 */

#include "cluster-networks.h"

#include <string.h>

#include "files.h"
#include "kubeconfig.h"
#include "static-pod.h"
#include "yaml-setting.h"

#define FILE_SIZE_MAX (256 * 1024)
#define CONFIGURATION "/run/kubeadm/kubeadm.yaml" /* Cluster API's bootstrap provider for kubeadm */
#define JOIN          "/run/kubeadm/kubeadm-join-config.yaml"
#define KUBECONFIG    "/etc/kubernetes/kubelet.conf"
#define KUBELET       "/var/lib/kubelet/config.yaml" /* kubeadm's */

static const struct source {
        const char *pod, *argument, *setting;
} sources[] = {
        [CLUSTER_PODS] = { "kube-controller-manager", "cluster-cidr", "networking.podSubnet" },
        [CLUSTER_SERVICES] = { "kube-apiserver", "service-cluster-ip-range", "networking.serviceSubnet" },
};

/* NULL when it is not there. */
static char *setting_of(const char *root, const char *file, const char *keys)
{
        _cleanup_free_ char *path = path_under(root, file), *text = NULL;
        char *value;
        size_t size;

        if (!path || file_read(path, FILE_SIZE_MAX, &text, &size) < 0 ||
            yaml_setting(text, size, keys, &value) < 0)
                return NULL;
        return value;
}

static bool is_host_name(const char *text)
{
        size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._");

        return length > 0 && length <= 253 && text[length] == '\0' && text[0] != '.' && text[0] != '-';
}

static size_t split(char *text, struct cidr ret[static CLUSTER_NETWORKS_MAX])
{
        char *rest = NULL;
        size_t n = 0;

        for (char *word = strtok_r(text, ", ", &rest); word && n < CLUSTER_NETWORKS_MAX;
             word = strtok_r(NULL, ", ", &rest))
                if (cidr_parse(word, &ret[n]) >= 0)
                        n++;
        return n;
}

size_t cluster_networks(const char *root, enum cluster_network which,
                        struct cidr ret[static CLUSTER_NETWORKS_MAX])
{
        _cleanup_free_ char *manifest = NULL, *setting = NULL;
        char value[STATIC_POD_VALUE_SIZE];

        if (static_pod_load(root, sources[which].pod, &manifest) >= 0 &&
            static_pod_argument(manifest, sources[which].argument, value))
                return split(value, ret);
        setting = setting_of(root, CONFIGURATION, sources[which].setting);
        return setting ? split(setting, ret) : 0;
}

char *cluster_domain(const char *root)
{
        _cleanup_free_ char *domain = setting_of(root, KUBELET, "clusterDomain")
                                              ?: setting_of(root, CONFIGURATION, "networking.dnsDomain");

        return domain && is_host_name(domain) ? TAKE_PTR(domain) : NULL;
}

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT"; false for what is neither a name nor an address. */
static bool keep_host(char *endpoint)
{
        size_t skipped = endpoint[0] == '[', length = strcspn(endpoint + skipped, skipped ? "]" : ":");
        enum ip_family family;
        ip_number number;

        memmove(endpoint, endpoint + skipped, length);
        endpoint[length] = '\0';
        return ip_parse(endpoint, &family, &number) >= 0 || is_host_name(endpoint);
}

char *cluster_endpoint(const char *root)
{
        _cleanup_kubeconfig_ kubeconfig = {};
        _cleanup_free_ char *endpoint = NULL;

        if (kubeconfig_load(root, KUBECONFIG, &kubeconfig, NULL) >= 0)
                endpoint = strdup(kubeconfig.server + strlen("https://"));
        else
                endpoint = setting_of(root, CONFIGURATION, "controlPlaneEndpoint")
                                   ?: setting_of(root, JOIN, "discovery.bootstrapToken.apiServerEndpoint");
        return endpoint && keep_host(endpoint) ? TAKE_PTR(endpoint) : NULL;
}
