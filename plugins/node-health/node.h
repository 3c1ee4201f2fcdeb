/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The node as the checks see it: where it is, what is asked of it, and what the last runs measured. */

#include <systemd/sd-event.h>

#include "certificates.h"
#include "disk.h"
#include "etcd.h"
#include "http-client.h"
#include "node-health-config.h"
#include "runc-version.h"
#include "runtime.h"
#include "unit-bus.h"
#include "units.h"
#include "versions.h"

struct node {
        sd_event *event;
        const char *root;
        const struct node_health_config *config; /* in force; the plugin loop owns it */

        struct unit_bus bus;
        struct unit_watch kubelet, containerd;
        struct disk_watch space, inodes;
        double clock_error_seconds; /* NAN: not measured */

        struct units_watch units;
        struct http_client *http; /* made when it is needed first */
        struct runtime runtime;
        struct etcd_watch etcd;
        struct certificate_files certificates;
        struct versions versions;
        struct runc_version runc;
        char api_server_url[300];  /* of kube-apiserver on this node */
        uint64_t api_asked_usec;   /* CLOCK_REALTIME, when the endpoint was asked last */
        double clock_skew_seconds; /* the API server's clock is ahead by; NAN: not measured */
};

void node_init(struct node *node, sd_event *event, const char *root);
/* Takes the configuration that the next runs go by; what was measured by the one before is forgotten. No
 * check may be under way. */
void node_configure(struct node *node, const struct node_health_config *config);
void node_done(struct node *node);
