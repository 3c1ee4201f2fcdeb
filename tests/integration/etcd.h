/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A real etcd, under kubeadm's paths below a scratch root: mutual TLS with the files in
 * ROOT/etc/kubernetes/pki/etcd, data in ROOT/var/lib/etcd, and its manifest in ROOT/etc/kubernetes/manifests.
 * Failures fail the test. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct etcd {
        pid_t pid;
        const char *root;
        bool tls;
        unsigned port, peer_port;
        char endpoint[64];
};

/* Makes the certificates (ca, server, healthcheck-client, and a stranger's pair signed by another authority).
 */
void etcd_make_pki(const char *root);

/* Starts it and waits until it serves; a data directory that is there already is used. */
void etcd_start(struct etcd *etcd, const char *root, bool tls);
void etcd_stop(struct etcd *etcd, int signal); /* does nothing when it does not run */

/* Puts `count` values of `size` random bytes (so that they do not compress), keys "PREFIX-N". */
void etcd_put_many(struct etcd *etcd, const char *prefix, unsigned count, size_t size);
void etcd_put(struct etcd *etcd, const char *key, const void *value, size_t size);

/* Runs etcdctl with the member's endpoint and certificates; arguments end with NULL. Returns its standard
 * output, owned by the caller. */
char *etcd_ctl(const struct etcd *etcd, const char *const *arguments);

/* A TCP port that is free now. */
unsigned free_port(void);
