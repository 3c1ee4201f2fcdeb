/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the event loop of every resident program has in common. */

#include <systemd/sd-event.h>

/* The thread's default loop: SIGTERM and SIGINT end it with status 0, SIGHUP calls on_hangup (NULL: is
 * ignored, as SIGPIPE is), and systemd's watchdog is fed. Returns 0 or -errno. */
int event_loop_open(sd_event_signal_handler_t on_hangup, void *userdata, sd_event **ret);

/* A source, off at first, that an sd_event_source_set_enabled(…, SD_EVENT_ONESHOT) has called once, after
 * everything that is pending: so what comes together is handled together. */
int event_loop_add_later(sd_event *event, sd_event_handler_t handler, void *userdata, sd_event_source **ret);
