/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What can be asked: the table of paths. */

#include "gateway.h"
#include "http-request.h"
#include "response.h"

struct exchange {
        const struct http_request *request;
        const char *etag_before; /* of the health document when the request came in; "" for none */
        bool timed_out;          /* it has waited for as long as it wanted */
};

/* Whether the path is one for a client that may only scrape. */
bool routes_is_scraped(struct slice path);

/* Answers a request of a peer that may ask. Returns 0 with a response, 1 with *ret_wait_usec when there is
 * nothing to say yet (a long poll: ask again after a change, or timed_out after that time), or -ENOMEM. */
int routes_answer(const struct gateway *gateway, const struct exchange *exchange, struct response *ret,
                  uint64_t *ret_wait_usec);
