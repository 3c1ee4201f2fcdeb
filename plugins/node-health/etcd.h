/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The etcd member on this node, by the address where it tells of itself without a certificate
 * (--listen-metrics-urls). */

#include "check.h"
#include "etcd-metrics.h"

#define ETCD_SAMPLES_MAX 32

/* The rows that read the page of metrics, each of which may do so at the same time. */
#define ETCD_READERS_MAX 3

struct etcd_reader {
        const struct check_run *run;
        struct etcd_page page;
};

struct etcd_watch {
        struct etcd_reader readers[ETCD_READERS_MAX];
        struct etcd_metrics metrics; /* of the last look, when measured */
        bool measured;
        uint64_t measured_usec;                                        /* CLOCK_BOOTTIME */
        struct etcd_histogram wal_fsync_before, backend_commit_before; /* at the look before the last */
        double wal_fsync_p99_seconds, backend_commit_p99_seconds;      /* NAN: nothing was written */
        struct {
                uint64_t usec; /* CLOCK_BOOTTIME */
                double leader_changes;
        } samples[ETCD_SAMPLES_MAX];                                /* a ring */
        uint64_t maintenance_generated_usec, maintenance_seen_usec; /* of etcd-maintenance's report */
        unsigned n_samples;                                         /* ever taken */
};

int etcd_start(struct check_run *run);
int etcd_leader_start(struct check_run *run);
int etcd_database_start(struct check_run *run);
int etcd_latency_start(struct check_run *run);
int etcd_maintenance_start(struct check_run *run);

int etcd_database_metrics(const struct node *node, json_object *metrics);
int etcd_latency_metrics(const struct node *node, json_object *metrics);
