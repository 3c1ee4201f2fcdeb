/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A real kube-apiserver with NodeRestriction and kubeadm's PKI on loopback, with an etcd behind it, all below
 * a scratch directory. The programs come from image-builder/build-kubernetes (tests/run builds them).
 * Failures fail the test. */

#include <stdbool.h>
#include <sys/types.h>

#include "etcd.h"
#include "json.h"
#include "pki.h"

struct kube_apiserver {
        char *root;
        struct etcd etcd;
        pid_t pid;
        unsigned port;
        struct identity ca;
};

/* Makes the PKI, starts etcd and the API server, and waits until it is ready. */
void kube_apiserver_make(struct kube_apiserver *server);
void kube_apiserver_remove(struct kube_apiserver *server);

void kube_apiserver_start(struct kube_apiserver *server);
void kube_apiserver_stop(struct kube_apiserver *server, int signal);

/* One request with the administrator's certificate; body may be NULL. Fails the test unless the status is
 * 2xx, or 404 for which it returns NULL. The answer is the caller's. */
json_object *kube_request(const struct kube_apiserver *server, const char *method, const char *path,
                          const char *content_type, const char *body);

/* Puts what a kubelet that has joined leaves below root: its kubeconfig for https://127.0.0.1:PORT, and
 * kubelet-client-current.pem for the node. days as in identity_make. */
void kube_join(const struct kube_apiserver *server, const char *root, const char *node, unsigned port);
void kube_credential(const struct kube_apiserver *server, const char *root, const char *node, int days);
