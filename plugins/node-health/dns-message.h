/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* DNS messages over UDP (RFC 1035 section 4): one question for a name's IPv4 address, and what its answer
 * says. */

#include <stddef.h>
#include <stdint.h>

#define DNS_MESSAGE_MAX                                                                    \
        512 /* of UDP without EDNS; a longer answer is cut off, which does not matter here \
             */

enum dns_code {
        DNS_NO_ERROR = 0,
        DNS_FORMAT_ERROR = 1,
        DNS_SERVER_FAILURE = 2,
        DNS_NAME_ERROR = 3,
        DNS_REFUSED = 5
};

/* Writes the question. Returns its size, or -EINVAL for a text that is no host name (labels of 1 to 63
 * letters, digits, hyphens and underscores, 253 characters in all; a dot at the end is fine). */
int dns_query_write(const char *name, uint16_t id, uint8_t ret[static DNS_MESSAGE_MAX]);

/* Whether a message is the answer to a question of query_size bytes: same id, same question. Returns the
 * response code, 0 to 15, or -EBADMSG. */
int dns_answer_read(const uint8_t *query, size_t query_size, const uint8_t *message, size_t size);
