/* SPDX-License-Identifier: Apache-2.0 */

#include "static-pods.h"

#include <string.h>

#include "files.h"
#include "node.h"
#include "text.h"

static const struct {
        const char *name, *manifest, *pod_prefix;
        enum role role;
} pods[] = {
        { "kube-apiserver", "/etc/kubernetes/manifests/kube-apiserver.yaml", "kube-apiserver-",
          ROLE_CONTROL_PLANE },
        { "kube-controller-manager", "/etc/kubernetes/manifests/kube-controller-manager.yaml",
          "kube-controller-manager-", ROLE_CONTROL_PLANE },
        { "kube-scheduler", "/etc/kubernetes/manifests/kube-scheduler.yaml", "kube-scheduler-",
          ROLE_CONTROL_PLANE },
        { "etcd", "/etc/kubernetes/manifests/etcd.yaml", "etcd-", ROLE_ETCD_MEMBER },
};

struct missing {
        char manifests[200], pods[200];
};

static int look(const struct node *node, struct missing *ret)
{
        for (size_t i = 0; i < ELEMENTS(pods); i++) {
                _cleanup_free_ char *path = path_under(node->root, pods[i].manifest);

                if (!path)
                        return -ENOMEM;
                if (!role_holds(pods[i].role, node->root))
                        continue;
                if (access(path, F_OK) < 0)
                        text_append(ret->manifests, sizeof(ret->manifests), "%s%s",
                                    ret->manifests[0] ? ", " : "", pods[i].name);
                else if (node->runtime.pods_known && !runtime_has_pod(&node->runtime, pods[i].pod_prefix))
                        text_append(ret->pods, sizeof(ret->pods), "%s%s", ret->pods[0] ? ", " : "",
                                    pods[i].name);
        }
        return 0;
}

int static_pods_start(struct check_run *run)
{
        struct check_result result;
        struct missing missing = {};
        int r;

        r = look(run->node, &missing);
        if (r < 0)
                return r;
        if (missing.manifests[0])
                check_result_set(
                        &result, CHECK_FAIL, "StaticPodManifestMissing",
                        "no manifest of %s in /etc/kubernetes/manifests; put it back, or repair the node "
                        "with kubeadm",
                        missing.manifests);
        else if (missing.pods[0])
                check_result_set(&result, CHECK_FAIL, "StaticPodNotRunning",
                                 "the kubelet does not run %s; look at: journalctl -u kubelet", missing.pods);
        else
                check_result_set(&result, CHECK_OK, "StaticPodsRun", "the static pods run");
        check_finish(run, &result);
        return 0;
}
