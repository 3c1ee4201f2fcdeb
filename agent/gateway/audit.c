/* SPDX-License-Identifier: Apache-2.0 */

#include "audit.h"

#include "log.h"
#include "peer.h"
#include "quantity.h"
#include "timestamp.h"

#define LINES_MAX 10 /* in a minute */

void audit_clear(struct audit *audit)
{
        audit->end = sd_event_source_disable_unref(audit->end);
}

static void begin_minute(struct audit *audit, uint64_t now)
{
        if (audit->lines > LINES_MAX)
                log_message(LOG_NOTICE, MESSAGE_CLIENT_REFUSED, "Refused %u more requests",
                            audit->lines - LINES_MAX);
        audit_clear(audit);
        audit->start_usec = now;
        audit->lines = 0;
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata)
{
        begin_minute(userdata, now_boottime_usec());
        return 0;
}

void audit(struct audit *audit, SSL *ssl, const struct failure *failure)
{
        uint64_t now = now_boottime_usec();
        char peer[PEER_TEXT_SIZE];

        if (now - audit->start_usec >= USEC_PER_MIN)
                begin_minute(audit, now);
        if (audit->lines++ < LINES_MAX)
                log_message(LOG_NOTICE, MESSAGE_CLIENT_REFUSED, "Refused %s: %s", peer_describe(ssl, peer),
                            failure->message);
        else if (!audit->end)
                /* Without memory for it, the next refusal after the minute tells. */
                (void)sd_event_add_time(audit->event, &audit->end, CLOCK_BOOTTIME,
                                        audit->start_usec + USEC_PER_MIN, USEC_PER_SEC, on_end, audit);
}
