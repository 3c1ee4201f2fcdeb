/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A TCP relay that holds a stream still at a known place, so that a test can strike exactly in its middle, or
 * changes a byte in it, or how it ends. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define TRAILER_BEHIND (256u * 1024)

struct proxy {
        const char *address; /* where it listens; NULL: 127.0.0.1 */
        unsigned port;       /* 0: any, which is then set */
        unsigned target_port;
        atomic_uint connections; /* that came */
        size_t hold_at;          /* bytes from the server on one connection after which it holds; 0: never */
        bool cut;                /* what was held, when it is released */
        struct {
                const char *in;  /* the first occurrence from the server of this is changed; NULL: none */
                size_t size, at; /* where, in it, … */
                char by;         /* … and these bits */
        } flip;
        /* HTTP/2: the trailer of a stream of more than TRAILER_BEHIND bytes is dropped for this grpc-status,
         * "": for an end without one; NULL: as it comes. */
        const char *trailer;
        atomic_bool held, released;
        atomic_bool flipped; /* what it changes came, and is changed */
        int fd;
        pthread_t thread;
};

/* Set target_port, where it listens and what it shall do before. */
void proxy_start(struct proxy *proxy);
void proxy_wait_held(struct proxy *proxy); /* fails the test at the deadline */
void proxy_release(struct proxy *proxy);
void proxy_stop(struct proxy *proxy);
