/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An HTTP proxy in front of a real server that breaks chosen requests, for what the server does not do when a
 * test wants it. Each connection carries one request. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fault {
        const char *method; /* NULL: any */
        const char *match;  /* in the request's target; NULL: any */
        unsigned skip;      /* so many pass first */
        unsigned times;     /* and so many are broken; 0: all from then on */
        const char *flip;   /* the first byte of this in the request's head is changed, and the rest passes */
        const char *answer; /* instead of the server's; NULL: cut */
        bool lose_answer;   /* the server gets the request whole, and the client no answer */
        size_t body_bytes;  /* that get through, of the request or, with cut_answer, of the answer, before it
                               is cut */
        bool cut_answer;
        bool stall; /* nothing more is sent, instead of a cut */
        /* How many came. */
        atomic_uint seen;
};

struct fault_proxy {
        unsigned port, server_port;
        char endpoint[64];
        struct fault *fault; /* NULL: all requests pass */
        atomic_uint requests;
        int fd;
        atomic_bool stopping;
        pthread_t thread;
};

void fault_proxy_start(struct fault_proxy *proxy, unsigned server_port);
void fault_proxy_stop(struct fault_proxy *proxy);
