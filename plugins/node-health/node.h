/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The node as the checks see it: where it is, what is asked of it, and what the last runs measured. */

#include <systemd/sd-event.h>

#include "certificates.h"
#include "disk.h"
#include "dns.h"
#include "etcd.h"
#include "files.h"
#include "http-client.h"
#include "kept-file.h"
#include "kernel-limits.h"
#include "kernel-log.h"
#include "kubeconfig.h"
#include "node-health-config.h"
#include "oom.h"
#include "pressure.h"
#include "read-only.h"
#include "runc-version.h"
#include "runtime.h"
#include "scs.h"
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

        struct mount_list mounts;
        struct units_watch units;
        struct http_client *http;     /* made when it is needed first */
        uint64_t http_until_usec;     /* CLOCK_BOOTTIME: then it is made anew */
        struct kubeconfig credential; /* of KUBELET_CONF, as api_credential has read it last */
        struct file_stamp credential_stamp;
        char *credential_name; /* the node's, by the certificate of the credential; NULL: not read */
        struct file_stamp credential_name_stamp;
        struct runtime runtime;
        struct etcd_watch etcd;
        struct certificate_files certificates;
        struct kept_files files;
        struct versions versions;
        struct runc_version runc;
        char api_server_url[300];  /* of kube-apiserver on this node */
        uint64_t api_asked_usec;   /* CLOCK_REALTIME, when the endpoint was asked last */
        double clock_skew_seconds; /* the API server's clock is ahead by; NAN: not measured */
        double clock_error_seconds, clock_offset_seconds; /* NAN: not measured */
        double reboot_required_seconds;
        struct kernel_log kernel_log;
        struct kernel_limits limits;
        struct pressure_watch pressure;
        struct oom_watch oom;
        struct dns_watch dns;
        struct scs_facts scs;
};

/* node is all zeroes so far, which is not written again: most of its 88 KB, lists of what may go wrong, are
 * never used and take no memory then. */
void node_init(struct node *node, sd_event *event, const char *root);
/* Takes the configuration that the next runs go by; what was measured by the one before is forgotten. No
 * check may be under way. */
void node_configure(struct node *node, const struct node_health_config *config);
void node_done(struct node *node);
