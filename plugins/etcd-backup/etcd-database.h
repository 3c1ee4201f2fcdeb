/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What etcd keeps in its bbolt file (etcd: server/storage/schema, server/storage/mvcc). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"
#include "interrupt.h"

#define ETCD_MEMBERS_MAX 64 /* of a cluster; etcd advises seven */

struct etcd_database {
        int64_t revision; /* etcd's own after a restore: of the last record, or of the compaction if that is
                             later */
        uint64_t keys;    /* entries of all buckets: the totalKey of `etcdctl snapshot status` up to 3.5 */
        uint64_t consistent_index;
        uint32_t hash; /* as `etcdctl snapshot status` and `etcdutl snapshot status` compute it */
        uint64_t members[ETCD_MEMBERS_MAX];
        size_t n_members;
};

/* Reads the database in the first `size` bytes of the file from end to end. Returns -EBADMSG with a failure
 * (DatabaseDamaged) when it could not be restored: bbolt_walk's reasons, no key or meta bucket, a record that
 * is none, or one that is not of its revision. Also -errno of reading and -ECANCELED. */
int etcd_database_read(int fd, uint64_t size, const struct interrupt *interrupt, struct etcd_database *ret,
                       struct failure *failure);

/* The same for a database that passes by once, which bbolt-stream.h describes; the temporary files go into
 * the first of the directories, whose list ends with NULL, that has room. */
struct etcd_reader;
int etcd_reader_new(uint64_t size, const char *const *directories, struct etcd_reader **ret);
void etcd_reader_add(struct etcd_reader *reader, const void *data, size_t size);
/* Errors as of etcd_database_read, or bbolt_stream_finish's with a remark (DatabaseNotWalked). */
int etcd_reader_finish(struct etcd_reader *reader, const struct interrupt *interrupt,
                       struct etcd_database *ret, struct failure *failure);
/* Whether the failure is such a remark: nothing is known to be wrong. */
bool etcd_reader_has_no_verdict(const struct failure *failure);
struct etcd_reader *etcd_reader_free(struct etcd_reader *reader);
DEFINE_CLEANUP(struct etcd_reader *, etcd_reader_free)

/* Whether the member list in the database has this member. */
bool etcd_database_knows(const struct etcd_database *database, uint64_t member);
