/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Nodes with containerds of three versions, two mirrors that only a private authority makes trusted, and the
 * upstream of every registry, which the nodes' own bundle makes trusted and before which every connection is
 * counted. Failures fail the test. */

#include "containerd.h"
#include "proxy.h"
#include "registry.h"

#define BED_ONE      "127.0.0.3:5000"
#define BED_TWO      "127.0.0.4:5000"
#define BED_UPSTREAM "127.0.0.2"
#define BED_SAFE     "127.0.0.6:5000" /* wants a client certificate and a password */
#define BED_DEAD     "127.0.0.5:5000" /* nobody listens */

#define BED_NODES 3

struct mirror_bed {
        char *root;
        struct identity public_ca, private_ca, client;
        struct registry upstream, one, two, safe;
        struct proxy recorder;
        struct containerd nodes[BED_NODES];
};

/* Every registry has docker.io/library/tiny:1 (mirror "one" also below the path dockerhub/) and team/tool:1
 * of any other; only mirror "two" and upstream have library/second:1, and only upstream library/upstream:1.
 * The nodes know the addresses of registry-1.docker.io and registry.example.org, which are upstream's, and of
 * two.example.org:5000, which is mirror "two". On the nodes, /etc/mirror-ca.crt is the private authority,
 * /etc/client.crt and .key what mirror "safe" wants to see, and /etc/headers what else. */
void bed_open(struct mirror_bed *bed);
void bed_close(struct mirror_bed *bed);

/* Configures registry-mirror on the node, and has it applied once. */
void bed_apply(const struct containerd *node, const char *configuration);

/* Upstream and mirrors were asked nothing. */
void bed_forget(struct mirror_bed *bed);

/* A pull that has to end well or badly. */
void bed_pull(const struct containerd *node, const char *image);
void bed_pull_fails(const struct containerd *node, const char *image);

/* The connections to upstream. */
unsigned bed_upstream(struct mirror_bed *bed);

/* Starts a mirror again after registry_stop. */
void bed_start_mirror(struct mirror_bed *bed, struct registry *mirror);
