/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The few calls of etcd's Maintenance service that a backup needs (etcd: api/etcdserverpb/rpc.proto; the
 * field numbers are the same from 3.4 to 3.7). Only one needs quorum. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "configuration.h"
#include "grpc.h"
#include "member-list.h"

struct etcd_status {
        uint64_t cluster_id, member_id;
        int64_t revision;
        char version[32];
        uint64_t db_size;
        uint64_t raft_index;
        bool is_learner;
        bool has_leader;
        bool is_corrupt; /* as far as the member itself knows: it lists its alarms among its errors */
};

/* Returns -EBADMSG for bytes that are not a StatusResponse. */
int etcd_status_parse(const uint8_t *message, size_t size, struct etcd_status *ret);

/* Returns -EBADMSG for bytes that are not a MemberListResponse. Sets members and cluster id only. */
int etcd_members_parse(const uint8_t *message, size_t size, struct member_list *ret);

struct etcd_client;

/* Refuses certificate files that cannot be read, with a failure (CertificateMissing). Paths are taken under
 * root. */
int etcd_client_new(sd_event *event, const char *root, const struct etcd_access *access,
                    struct etcd_client **ret, struct failure *failure);
struct etcd_client *etcd_client_free(struct etcd_client *client);
DEFINE_CLEANUP(struct etcd_client *, etcd_client_free)

/* One call at a time of each kind. done gets status NULL and a failure that names cause and remedy, or the
 * status. */
typedef void (*etcd_status_fn)(const struct etcd_status *status, int error, struct failure *failure,
                               void *userdata);
int etcd_status_start(struct etcd_client *client, etcd_status_fn done, void *userdata);

/* Who the members are, by this member's own store, so without quorum. done gets members NULL and a failure,
 * or the list, which is the client's. */
typedef void (*etcd_members_fn)(const struct member_list *members, int error, struct failure *failure,
                                void *userdata);
int etcd_members_start(struct etcd_client *client, etcd_members_fn done, void *userdata);
/* Whether the cluster raised the alarm CORRUPT for this member. The answer needs quorum, unlike all else
 * here. */
typedef void (*etcd_corrupt_fn)(bool corrupt, int error, struct failure *failure, void *userdata);
int etcd_corrupt_start(struct etcd_client *client, uint64_t member_id, etcd_corrupt_fn done, void *userdata);

/* Streams the snapshot's messages. `confirmed`: etcd said itself (grpc-status) that it was whole. */
typedef int (*etcd_message_fn)(const uint8_t *message, size_t size, void *userdata);
typedef void (*etcd_snapshot_fn)(int error, bool confirmed, struct failure *failure, void *userdata);
int etcd_snapshot_start(struct etcd_client *client, etcd_message_fn on_message, etcd_snapshot_fn done,
                        void *userdata);
