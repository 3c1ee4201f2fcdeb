/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A TCP relay that holds a stream still at a known place, so that a test can strike exactly in its middle, or
 * changes a byte in it. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct proxy {
        const char *address; /* where it listens; NULL: 127.0.0.1 */
        unsigned port;       /* 0: any, which is then set */
        unsigned target_port;
        atomic_uint connections; /* that came */
        size_t hold_at;          /* bytes from the server on one connection after which it holds; 0: never */
        bool cut;                /* what was held, when it is released */
        const char
                *flip_in; /* the first byte of the first occurrence from the server is changed; NULL: none */
        atomic_bool held, released, flipped;
        int fd;
        pthread_t thread;
};

/* Set target_port, where it listens and what it shall do before. */
void proxy_start(struct proxy *proxy);
void proxy_wait_held(struct proxy *proxy); /* fails the test at the deadline */
void proxy_release(struct proxy *proxy);
void proxy_stop(struct proxy *proxy);
