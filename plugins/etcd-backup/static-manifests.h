/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The static pods that kubeadm writes (kubernetes: cmd/kubeadm/app/phases/controlplane, …/etcd): what their
 * manifests say, and how they are stopped. The kubelet stops a pod whose manifest goes, and starts it when it
 * comes back; a rename does either at once and wholly. */

#include <stdbool.h>

#include "cleanup.h"

#define STATIC_MANIFESTS "/etc/kubernetes/manifests"
/* Where manifests wait meanwhile: beside the other, on the same file system, where neither the kubelet nor
 * kubeadm looks. */
#define STATIC_MANIFESTS_ASIDE "/etc/kubernetes/capi-node-etcd-restore"

/* The text of POD.yaml, from either place; owned by the caller. -ENOENT when there is no such pod. */
int static_manifest_read(const char *root, const char *pod, char **ret_text);

/* The value of an argument `--FLAG=VALUE` of the container's command, or NULL when it is not there or there
 * is no memory; owned by the caller. kubeadm writes one argument a line. */
char *static_manifest_flag(const char *text, const char *flag);

/* The tag of `image:` ("3.5.16-0"), NULL also for an image that is named by its digest alone. Likewise. */
char *static_manifest_image_tag(const char *text);

/* Whether the kubelet sees it. */
bool static_manifest_is_active(const char *root, const char *pod);

/* Both do nothing when it is done already, or there is no such pod. Return 0 or -errno. */
int static_manifest_withdraw(const char *root, const char *pod);
int static_manifest_return(const char *root, const char *pod);
