/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An HTTPS server that gives the answers it was told, for what a real API server cannot be made to say when a
 * test wants it. One connection at a time. */

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "pki.h"

#define ANSWERS_MAX 16

struct answers {
        const char *const *texts; /* whole HTTP answers, NULL-terminated; the last one is repeated */
        unsigned port;
        atomic_uint connections, requests;
        uint64_t times_usec[ANSWERS_MAX]; /* CLOCK_BOOTTIME of each request */
        char methods[ANSWERS_MAX + 1];    /* the first letter of each */

        int fd;
        atomic_int connection;
        SSL_CTX *tls;
        pthread_t thread;
};

/* texts is set before; identity is the server's. */
void answers_start(struct answers *answers, const struct identity *identity);
void answers_stop(struct answers *answers);
