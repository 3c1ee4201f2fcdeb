/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A kubeconfig's current context
 * (kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig) as far as a kubelet's goes:
 * an https server, its CA, and a client certificate, each as file or inline. Anything that would weaken or
 * change that (insecure-skip-tls-verify, a token, an exec plugin) is refused by name, so that nothing is
 * silently not applied. */

#include <stddef.h>

#include "cleanup.h"
#include "failure.h"

#define KUBECONFIG_MAX (256 * 1024) /* of kubeadm about 6 KiB; a CA bundle may be inline */

struct kubeconfig_material {
        char *path; /* as written: absolute, or relative to the kubeconfig's directory */
        char *pem;  /* inline, decoded; goes before the path, as in client-go */
};

struct kubeconfig {
        char *server;                  /* https://HOST:PORT, without a slash at the end */
        char *proxy;                   /* may be NULL */
        struct kubeconfig_material ca; /* both NULL: the system's CAs */
        struct kubeconfig_material certificate, key;
};

/* Frees everything, a private key zeroed. */
void kubeconfig_clear(struct kubeconfig *kubeconfig);
#define _cleanup_kubeconfig_ _cleanup_(kubeconfig_clear) struct kubeconfig

/* name is for messages. Returns -EINVAL with a failure (KubeconfigRefused), or -ENOMEM. */
int kubeconfig_parse(const char *name, const char *text, size_t size, struct kubeconfig *ret,
                     struct failure *failure);

/* The name of the node whose kubelet's certificate the (loaded) kubeconfig has; owned by the caller. Returns
 * -EINVAL with a failure (NotANodeCredential), as certificates_load, or -ENOMEM. */
int kubeconfig_node_name(const struct kubeconfig *kubeconfig, char **ret, struct failure *failure);

/* Reads and parses the file; then every path in ret is absolute and below root. Returns -ENOENT without a
 * failure when there is none, or -errno with one (KubeconfigUnreadable). */
int kubeconfig_load(const char *root, const char *path, struct kubeconfig *ret, struct failure *failure);
