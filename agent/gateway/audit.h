/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Refusals in the journal: one line for each, but only so many in a minute, since a scraper with the wrong
 * certificate must not fill it; the metrics count all. */

#include <openssl/ssl.h>
#include <stdint.h>

#include "failure.h"

struct audit {
        uint64_t start_usec; /* of this minute */
        unsigned lines;
};

void audit(struct audit *audit, SSL *ssl, const struct failure *failure);
