/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the kernel said in this boot: /dev/kmsg is read as it comes, what the rules find is kept with the boot
 * id over restarts of the plugin, and two checks tell it. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "check.h"
#include "kernel-record.h"
#include "kernel-rules.h"
#include "node-disks.h"

#define KERNEL_DEVICES_MAX 32
#define KERNEL_TEXT_MAX    160

/* What was found of one kind of message. */
struct kernel_finding {
        uint64_t count;             /* in this boot */
        uint64_t last_usec;         /* CLOCK_MONOTONIC; 0: never */
        char last[KERNEL_TEXT_MAX]; /* what it said */
        uint64_t serious_count; /* those about the node's own disk, or about a task that every node needs */
        uint64_t serious_usec;
        char serious[KERNEL_TEXT_MAX];
};

struct kernel_log {
        sd_event_source *source, *resume;
        int fd;
        uint64_t next;      /* the sequence number of the next record */
        bool next_known;    /* it is the one that must come next: a higher one is a gap */
        uint64_t lost;      /* records that were overwritten before they were read */
        uint64_t overruns;  /* times that the kernel said so (EPIPE) */
        uint64_t records;   /* read by this process */
        uint64_t foreign;   /* of them, written by user space, and so not looked at */
        uint64_t malformed; /* of them, not understood */
        bool changed;       /* since it was saved */
        struct kernel_finding found[KERNEL_RULES_MAX]; /* at kernel_rule_index */
        char *path, *state_path;
        /* Disks that the node's own file systems are on, as the kernel's messages name them. */
        char devices[KERNEL_DEVICES_MAX][NODE_DISK_NAME_SIZE];
        size_t n_devices;
        uint64_t devices_until_usec; /* CLOCK_BOOTTIME: then they are looked for again; 0: now */
        char buffer[KERNEL_RECORD_MAX + 1];
};
#define KERNEL_LOG_NONE      \
        {                    \
                .fd = -EBADF \
        }

/* Sees to it that ROOT/dev/kmsg is being read: the first time from where the process before this one of the
 * same boot has stopped (ROOT/var/lib/capi-node-agent/node-health/kernel-log.json says where), up to now.
 * own: paths on the node's own file systems. After an error it is opened anew. Returns 0 or -errno: why it
 * cannot be read; -ENOENT: there is no log of a kernel, as in a container. */
int kernel_log_follow(struct kernel_log *log, sd_event *event, const char *root,
                      const struct config_strings *own);
/* Saves and closes. */
void kernel_log_close(struct kernel_log *log);

/* Reads and writes what was found, in kernel-log-state.c. A state of another boot, or one that is not
 * understood, is as none. Both return 0 or -errno. */
int kernel_log_save(struct kernel_log *log);
int kernel_log_load(struct kernel_log *log);

int kernel_start(struct check_run *run);
int storage_errors_start(struct check_run *run);
int kernel_metrics(const struct node *node, json_object *metrics);
