/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Work that blocks (a name look-up, an exchange with the API) in a child process that an alarm ends, so that
 * the event loop never waits. */

#include <systemd/sd-event.h>

#include "cleanup.h"

#define CHILD_OUTPUT_MAX (64 * 1024)

struct child;
/* Calls work(userdata, fd) in a child, which has `seconds`, then done(output, userdata) here: what it wrote,
 * as text. */
int child_start(sd_event *event, unsigned seconds, void (*work)(void *userdata, int fd),
                void (*done)(const char *output, void *userdata), void *userdata, struct child **ret);
/* Ends it without calling done. */
struct child *child_free(struct child *child);
DEFINE_CLEANUP(struct child *, child_free)
