/* SPDX-License-Identifier: Apache-2.0 */

#include "node-identity.h"

#include <limits.h>
#include <string.h>

#include "files.h"
#include "x509.h"

#define KUBELET_CERTIFICATE "/var/lib/kubelet/pki/kubelet-client-current.pem"
#define KUBELET_KUBECONFIG  "/etc/kubernetes/kubelet.conf"
#define USER_PREFIX         "system:node:" /* kubernetes.io/docs/reference/access-authn-authz/node */

void node_identity_clear(struct node_identity *identity)
{
        free(identity->name);
        free(identity->hostname);
        *identity = (struct node_identity){};
}

static char *node_name(const char *root)
{
        _cleanup_free_ char *path = path_under(root, KUBELET_CERTIFICATE), *user = NULL;
        _cleanup_certificates_ certificates = {};

        if (!path || certificates_load(path, &certificates, NULL) < 0 ||
            certificate_common_name(certificates.items[0], &user) < 0 ||
            strncmp(user, USER_PREFIX, strlen(USER_PREFIX)) != 0)
                return NULL;
        return strdup(user + strlen(USER_PREFIX));
}

int node_identity_read(const char *root, struct node_identity *ret)
{
        _cleanup_free_ char *kubeconfig = path_under(root, KUBELET_KUBECONFIG);
        char hostname[HOST_NAME_MAX + 1] = "";

        if (!kubeconfig)
                return -ENOMEM;
        (void)gethostname(hostname, sizeof(hostname) - 1);
        *ret = (struct node_identity){
                .name = node_name(root),
                .hostname = strdup(hostname),
                .phase = access(kubeconfig, F_OK) == 0 ? "Joined" : "Bootstrapping",
        };
        if (!ret->hostname) {
                node_identity_clear(ret);
                return -ENOMEM;
        }
        return 0;
}
