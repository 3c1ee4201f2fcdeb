/* SPDX-License-Identifier: Apache-2.0 */

#include "event-loop.h"

#include <signal.h>
#include <stdbool.h>

#include "cleanup.h"
#include "resident-memory.h"

/* sd-event takes signals from a signalfd, so they have to be blocked. */
static int block_signals(bool hangup)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        if (hangup)
                sigaddset(&signals, SIGHUP);
        else
                (void)signal(SIGHUP, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
        return sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : 0;
}

int event_loop_open(sd_event_signal_handler_t on_hangup, void *userdata, sd_event **ret)
{
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int r;

        resident_memory_limit();
        r = block_signals(on_hangup != NULL);
        if (r < 0)
                return r;
        r = sd_event_default(&event);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (r < 0)
                return r;
        if (on_hangup) {
                r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, userdata);
                if (r < 0)
                        return r;
        }
        r = sd_event_set_watchdog(event, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(event);
        return 0;
}

int event_loop_add_later(sd_event *event, sd_event_handler_t handler, void *userdata, sd_event_source **ret)
{
        _cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
        int r;

        r = sd_event_add_defer(event, &source, handler, userdata);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(source);
        return 0;
}
