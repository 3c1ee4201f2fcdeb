/* SPDX-License-Identifier: Apache-2.0 */

#include "node-identity.h"

#include <limits.h>
#include <string.h>

#include "kubeconfig.h"

#define KUBELET_CERTIFICATE "/var/lib/kubelet/pki/kubelet-client-current.pem"
#define KUBELET_KUBECONFIG  "/etc/kubernetes/kubelet.conf"

void node_identity_clear(struct node_identity *identity)
{
        free(identity->name);
        free(identity->hostname);
        *identity = (struct node_identity){};
}

static char *node_name(char *path)
{
        const struct kubeconfig kubeconfig = { .certificate = { .path = path } };
        char *name;

        return kubeconfig_node_name(&kubeconfig, &name, NULL) < 0 ? NULL : name;
}

static int update_name(struct node_identity *identity, const char *root)
{
        _cleanup_free_ char *path = path_under(root, KUBELET_CERTIFICATE);
        struct file_stamp stamp;

        if (!path)
                return -ENOMEM;
        file_stamp_read(path, &stamp);
        if (file_stamp_same(&stamp, &identity->stamp))
                return 0;
        identity->stamp = stamp;
        free(identity->name);
        identity->name = node_name(path);
        return 0;
}

int node_identity_update(struct node_identity *identity, const char *root)
{
        _cleanup_free_ char *kubeconfig = path_under(root, KUBELET_KUBECONFIG), *hostname = NULL;
        char name[HOST_NAME_MAX + 1] = "";

        (void)gethostname(name, sizeof(name) - 1);
        hostname = strdup(name);
        if (!kubeconfig || !hostname)
                return -ENOMEM;
        free(identity->hostname);
        identity->hostname = TAKE_PTR(hostname);
        identity->phase = access(kubeconfig, F_OK) == 0 ? "Joined" : "Bootstrapping";
        return update_name(identity, root);
}
