/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Real containerds of several Debian suites, each on a node of its own: a root file system (tests/chroot,
 * with a layer over it that is forgotten), a mount and a process namespace; all in one network namespace with
 * nothing but the loopback device. No systemd, and no way to the machine's cgroups. Failures fail the test.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"

#define CONTAINERD_CERTS \
        "etc/containerd/certs.d"    /* below the node's root: its config_path, which is not made */
#define CONTAINERD_HOLE "192.0.2.9" /* an address that swallows every packet */

struct containerd {
        const char *suite; /* "bookworm" (1.6), "trixie" (1.7) or "sid" (2.1 or newer) */
        char *root;        /* the node's: what --root takes */
        char *directory;   /* behind it */
        char *socket;
        unsigned version; /* major * 100 + minor */
        pid_t pid;
};

/* Moves the test into the network namespace, and a mount namespace for the nodes. Call once, first. */
void containerd_enter(void);

/* Makes the node; then starts containerd with the configuration (config.toml), or with one that names
 * CONTAINERD_CERTS when it is NULL, and waits until it serves. */
void containerd_make_node(const char *suite, struct containerd *ret);
void containerd_start(struct containerd *containerd, const char *configuration);
void containerd_stop(struct containerd *containerd);
void containerd_remove_node(struct containerd *containerd);

/* Pulls as the kubelet does, over the container runtime interface. Returns 0, or -EREMOTEIO with a failure
 * that has containerd's words. What was pulled is removed again, so that the next pull asks for every layer.
 */
int containerd_pull(const struct containerd *containerd, const char *image, struct failure *failure);
