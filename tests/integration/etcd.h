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
        char *programs; /* the directory of etcd, etcdctl and etcdutl; NULL: those of this machine */
        char endpoint[64];
};

/* Makes the certificates (ca, server, healthcheck-client, and a stranger's pair signed by another authority).
 */
void etcd_make_pki(const char *root);

/* Starts it and waits until it serves; a data directory that is there already is used. */
void etcd_start(struct etcd *etcd, const char *root, bool tls);
/* The same of another Debian suite's version (tests/chroot); NULL or "bookworm": this machine's. */
void etcd_start_of(const char *suite, struct etcd *etcd, const char *root, bool tls);
/* One of several: `cluster` is its --initial-cluster with the peer URLs of all, of which its own has
 * peer_port; `existing` when it was added to one that runs. Does not wait. */
void etcd_start_member_of(const char *suite, struct etcd *etcd, const char *root, const char *name,
                          unsigned peer_port, const char *cluster, bool existing);
void etcd_wait(struct etcd *etcd);             /* until it serves */
void etcd_stop(struct etcd *etcd, int signal); /* does nothing when it does not run */

/* Puts `count` values of `size` random bytes (so that they do not compress), keys "PREFIX-N". */
void etcd_put_many(struct etcd *etcd, const char *prefix, unsigned count, size_t size);
void etcd_put(struct etcd *etcd, const char *key, const void *value, size_t size);

/* Runs etcdctl with the member's endpoint and certificates; arguments end with NULL. Returns its standard
 * output, owned by the caller. */
char *etcd_ctl(const struct etcd *etcd, const char *const *arguments);
/* Runs etcdutl, which there is from 3.5 on, likewise. */
char *etcd_utl(const struct etcd *etcd, const char *const *arguments);
