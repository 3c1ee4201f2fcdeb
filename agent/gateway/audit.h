/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Refusals in the journal: one line for each, but only so many in a minute, since a scraper with the wrong
 * certificate must not fill it; at its end one line says how many more there were. The metrics count all. */

#include <openssl/ssl.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "failure.h"

struct audit {
        sd_event *event;      /* the caller's */
        sd_event_source *end; /* of a minute with too many */
        uint64_t start_usec;  /* of this minute */
        unsigned lines;
};

void audit_clear(struct audit *audit);
void audit(struct audit *audit, SSL *ssl, const struct failure *failure);
