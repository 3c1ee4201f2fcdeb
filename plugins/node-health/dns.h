/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether each name server of resolv.conf finds the API server's name, and what else is configured. Asked
 * over UDP by ourselves: that is what kubelet and containerd do (Go does not ask systemd-resolved),
 * getaddrinfo would block, and it would hide a name server that is dead behind the one that is not. */

#include <systemd/sd-event.h>

#include "check.h"
#include "dns-message.h"
#include "node-health-config.h"

#define DNS_SERVERS_MAX 3 /* as the C library has it (MAXNS) */
#define DNS_NAMES_MAX   (NODE_HEALTH_NAMES_MAX + 1)
#define DNS_NAME_SIZE   256

struct dns_server {
        char address[64];
        int fd;
        sd_event_source *source;
        bool answered[DNS_NAMES_MAX];
        uint8_t code[DNS_NAMES_MAX];
        double seconds;      /* to its slowest answer of the run under way; NAN: not all came yet */
        double last_seconds; /* of the last run */
};

struct dns_watch {
        struct dns_server servers[DNS_SERVERS_MAX];
        size_t n_servers;
        char names[DNS_NAMES_MAX][DNS_NAME_SIZE];
        uint8_t queries[DNS_NAMES_MAX][DNS_MESSAGE_MAX];
        size_t query_sizes[DNS_NAMES_MAX];
        size_t n_names;
        uint64_t sent_usec;
        sd_event_source *timer;
        struct check_run *run;
};
void dns_watch_stop(struct dns_watch *watch);

int dns_start(struct check_run *run);
int dns_metrics(const struct node *node, json_object *metrics);
