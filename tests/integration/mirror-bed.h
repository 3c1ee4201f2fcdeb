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
#define BED_DEAD     "127.0.0.5:5000" /* nobody listens */

#define BED_NODES 3

struct mirror_bed {
        char *root;
        struct identity public_ca, private_ca;
        struct registry upstream, one, two;
        struct proxy recorder;
        struct containerd nodes[BED_NODES];
};

/* Every registry has docker.io/library/tiny:1 (mirror "one": also below the path dockerhub/) and
 * example.org's own registry has team/tool:1, the mirrors too. The nodes know the addresses of
 * registry-1.docker.io and registry.example.org, which are upstream's; ROOT/etc/mirror-ca.crt is the private
 * authority. */
void bed_open(struct mirror_bed *bed);
void bed_close(struct mirror_bed *bed);

/* Upstream and mirrors were asked nothing. */
void bed_forget(struct mirror_bed *bed);

/* A pull that has to end well or badly. */
void bed_pull(const struct containerd *node, const char *image);
void bed_pull_fails(const struct containerd *node, const char *image);

/* The connections to upstream. */
unsigned bed_upstream(struct mirror_bed *bed);

/* Starts mirror "one" or "two" again after registry_stop. */
void bed_start_mirror(struct mirror_bed *bed, struct registry *mirror);
