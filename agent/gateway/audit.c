/* SPDX-License-Identifier: Apache-2.0 */

#include "audit.h"

#include "log.h"
#include "peer.h"
#include "quantity.h"
#include "timestamp.h"

#define LINES_MAX 10 /* in a minute */

void audit(struct audit *audit, SSL *ssl, const struct failure *failure)
{
        uint64_t now = now_boottime_usec();
        char peer[PEER_TEXT_SIZE];

        if (now - audit->start_usec >= USEC_PER_MIN) {
                if (audit->lines > LINES_MAX)
                        log_message(LOG_NOTICE, MESSAGE_CLIENT_REFUSED, "Refused %u more requests",
                                    audit->lines - LINES_MAX);
                *audit = (struct audit){ .start_usec = now };
        }
        if (audit->lines++ < LINES_MAX)
                log_message(LOG_NOTICE, MESSAGE_CLIENT_REFUSED, "Refused %s: %s", peer_describe(ssl, peer),
                            failure->message);
}
