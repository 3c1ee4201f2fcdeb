/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What only waits needs no libraries. A plugin at rest makes its process, by exec, the small program
 * agent/stand-in, which pings the watchdog, renews the report's time and sleeps on the plugin's own event
 * sources; the first of them that fires makes it the plugin again. Unit, sandbox and process id stay the
 * same; of 1 MB, most of it libcrypto's relocations, 0.1 stays (measured: tests/bench/footprint.py). */

#include <systemd/sd-event.h>

struct stand_in {
        const char *report_path;
        uint64_t refresh_usec;    /* how often the report's time is renewed */
        const char *const *again; /* what to run when a source fires: program, arguments, NULL */
};

/* To be called between two iterations of the loop, which has nothing pending and watches only inotify, timers
 * and signals. Returns when there is something to do after all (1, it was dispatched), or negative errno when
 * the stand-in cannot be run; the loop goes on as before then. */
int stand_in_wait(sd_event *event, const struct stand_in *stand_in);
