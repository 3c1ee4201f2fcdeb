/* SPDX-License-Identifier: Apache-2.0 */

/* Apart for OpenSSL. */

#include <string.h>

#include "kubeconfig.h"
#include "x509.h"

int kubeconfig_node_name(const struct kubeconfig *kubeconfig, char **ret, struct failure *failure)
{
        const struct kubeconfig_material *material = &kubeconfig->certificate;
        _cleanup_certificates_ certificates = {};
        int r;

        r = material->pem ? certificates_parse("client-certificate-data", material->pem,
                                               strlen(material->pem), &certificates, failure)
                          : certificates_load(material->path, &certificates, failure);
        if (r < 0)
                return r;
        r = certificate_node_name(certificates.items[0], ret);
        if (r == -EINVAL)
                return failure_set(failure, r, "NotANodeCredential",
                                   "the client certificate%s%s is not a kubelet's: its common name is not "
                                   "system:node:NAME",
                                   material->pem ? "" : " in ", material->pem ? "" : material->path);
        return r;
}
