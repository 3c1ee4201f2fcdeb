/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The node as the checks see it: where it is, what is asked of it, and what the last runs measured. */

#include <systemd/sd-event.h>

#include "disk.h"
#include "node-health-config.h"
#include "unit-bus.h"

struct node {
        sd_event *event;
        const char *root;
        const struct node_health_config *config; /* in force; the plugin loop owns it */

        struct unit_bus bus;
        struct unit_watch kubelet, containerd;
        struct disk_watch space, inodes;
        double clock_error_seconds; /* NAN: not measured */
};

void node_init(struct node *node, sd_event *event, const char *root);
/* Takes the configuration that the next runs go by; what was measured by the one before is forgotten. No
 * check may be under way. */
void node_configure(struct node *node, const struct node_health_config *config);
void node_done(struct node *node);
