/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Asks systemd for the state of a service, over the system bus, without waiting for it. */

#include <systemd/sd-bus.h>

#include "check.h"
#include "unit-state.h"

#define UNIT_PROPERTIES_MAX 3

struct unit_bus {
        sd_bus *bus;
        uint64_t backoff_usec;  /* before the next attempt to connect; 0: the last one worked */
        uint64_t next_try_usec; /* CLOCK_BOOTTIME */
        int error;              /* of the last attempt */
};

struct unit_watch;

struct unit_answer {
        struct unit_watch *watch;
        sd_bus_slot *slot; /* NULL: it has come */
};

struct unit_watch {
        struct unit_name name;
        bool after_join; /* only asked once kubeadm has run */
        struct unit_history history;
        struct unit_facts facts; /* of the last complete look, when history.seen */

        struct check_run *run; /* under way */
        struct unit_facts incoming;
        sd_bus_slot *states; /* as an answer's */
        struct unit_answer answers[UNIT_PROPERTIES_MAX];
        bool asked_why; /* it does not run */
};

/* Makes sure that node->bus has a connection, or one under way. Every attempt counts as failed until
 * unit_bus_works was told that systemd answered over it; each failure puts the next one off for longer.
 * Returns 0 or negative errno. */
int unit_bus_open(struct node *node);
void unit_bus_works(struct unit_bus *bus);

void unit_watch_stop(struct unit_watch *watch);
void unit_bus_close(struct unit_bus *bus);

int kubelet_start(struct check_run *run);
int containerd_start(struct check_run *run);
int kubelet_metrics(const struct node *node, json_object *metrics);
int containerd_metrics(const struct node *node, json_object *metrics);
