/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `capi-node status` shows: what somebody who was paged wants on one screen. Pure: files, time and
 * terminal are parameters. */

#include <stdint.h>

#include "json.h"
#include "screen.h"

struct status_files {
        json_object *document; /* health.json; NULL: there is none */
        json_object *reports;  /* array of all reports, in order of name */
        uint64_t now_usec;     /* CLOCK_REALTIME: a command that runs once can only go by it */
        const char *boot_id;
};

/* Whether the agent has renewed the document in time, in this boot. */
bool status_is_current(const struct status_files *files);

/* Prints all of it. Returns the status of the node in one word: that of the document while it is current,
 * else "Unknown". Borrowed. */
const char *status_print(const struct screen *screen, const struct status_files *files);
