/* SPDX-License-Identifier: Apache-2.0 */

#include "cluster-networks.h"

#include <string.h>

#include "files.h"
#include "static-pod.h"
#include "yaml-setting.h"

#define FILE_SIZE_MAX (256 * 1024)
#define CONFIGURATION "/run/kubeadm/kubeadm.yaml"    /* Cluster API's bootstrap provider for kubeadm */
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
        char *domain = setting_of(root, KUBELET, "clusterDomain");

        return domain ?: setting_of(root, CONFIGURATION, "networking.dnsDomain");
}
