/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the gateway counts about itself. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum refusal {
        REFUSED_CONNECTIONS, /* one too many */
        REFUSED_HANDSHAKE,
        REFUSED_DEADLINE,
        REFUSED_SUBJECT,
        REFUSED_RATE,
        REFUSALS
};

/* Every status that a response here can have, with its reason phrase. */
struct http_status {
        unsigned code;
        const char *phrase;
};
#define HTTP_STATUSES 12
extern const struct http_status http_statuses[HTTP_STATUSES];

struct statistics {
        uint64_t requests[HTTP_STATUSES];
        uint64_t refused[REFUSALS];
};

/* The row of a status code; the code is one of the table. */
size_t http_status_index(unsigned code);

struct health_document;

/* Writes the gateway's own families in the Prometheus text format: its counters, the number of connections,
 * and how old the agent's document is. Returns 0, -ENOMEM or -EIO. */
int statistics_write(FILE *stream, const struct statistics *statistics, size_t connections,
                     const struct health_document *health);
