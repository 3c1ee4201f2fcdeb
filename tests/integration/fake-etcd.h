/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An etcd whose snapshot stream goes wrong in a way that a real one cannot be made to show. Speaks just
 * enough HTTP/2 in clear: the first request is answered as Status, the second as Snapshot of a small
 * database. */

#include <pthread.h>
#include <stdatomic.h>

enum stream_fault {
        FAULT_NONE,
        FAULT_NO_STATUS,     /* whole, with its hash, but the trailer does not come */
        FAULT_NO_HASH,       /* ends in good order without its hash */
        FAULT_CUT,           /* ends in good order in the middle */
        FAULT_ENDLESS_EMPTY, /* pieces without bytes for ever */
        FAULT_LARGE_MESSAGE, /* one above 4 MiB */
        FAULT_LONG_PREFIX,   /* tells more bytes than come */
        FAULT_COMPRESSED,    /* the flag of a compression that was not asked for */
        FAULT_SILENCE,       /* nothing after the middle, the connection stays open */
        FAULT_GRPC_STATUS,   /* the status instead of the second half */
};

struct fake_etcd {
        enum stream_fault fault;
        unsigned status; /* gRPC's, for FAULT_GRPC_STATUS */
        unsigned port;
        atomic_bool closed; /* by the client */
        atomic_uint requests;
        int fd;
        pthread_t thread;
};

void fake_etcd_start(struct fake_etcd *etcd); /* set the fault before */
void fake_etcd_stop(struct fake_etcd *etcd);
