/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calls of etcd that a restore and its drill make, one after the other, waiting for each: for programs that
 * run and end. (etcd: api/etcdserverpb/rpc.proto; the field numbers are the same from 3.4 to 3.7.) */

#include <stddef.h>
#include <stdint.h>

#include "configuration.h"
#include "etcd.h"

struct etcd_peer {
        char *url, *unix_socket; /* unix_socket: NULL, or where the drill's own etcd listens */
        char *ca_file, *cert_file, *key_file;
};
void etcd_peer_clear(struct etcd_peer *peer);
#define _cleanup_etcd_peer_ _cleanup_(etcd_peer_clear) struct etcd_peer

/* The member of the configuration, paths under root; certificates are read at each call. */
int etcd_peer_make(const char *root, const struct etcd_access *access, struct etcd_peer *ret);

/* Each waits `timeout_usec` at most, and returns 0 or negative errno with a failure that has etcd's words. */
int etcd_ask_status(const struct etcd_peer *peer, uint64_t timeout_usec, struct etcd_status *ret,
                    struct failure *failure);

struct etcd_hash {
        uint32_t hash;
        int64_t compact_revision; /* hashes compare only when this is the same */
};
int etcd_ask_hash(const struct etcd_peer *peer, int64_t revision, struct etcd_hash *ret,
                  struct failure *failure);

/* A linearizable read: answered only by a member whose cluster has a leader. */
int etcd_ask_health(const struct etcd_peer *peer, uint64_t timeout_usec, struct failure *failure);

/* Removes every key that begins with the prefix; tells how many. */
int etcd_delete_prefix(const struct etcd_peer *peer, const char *prefix, int64_t *ret_deleted,
                       struct failure *failure);
