/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All services of this node that are not as they should be: failed, starting or stopping for ever, or enabled
 * and not running. */

#include <systemd/sd-bus.h>

#include "check.h"

#define UNITS_SUSPECTS_MAX 64  /* oneshots that ran are some of them, until they are asked */
#define UNITS_NAME_SIZE    256 /* UNIT_NAME_MAX of systemd */

enum unit_trouble { UNIT_FAILED, UNIT_STARTING, UNIT_STOPPING, UNIT_INACTIVE };

struct unit_suspect {
        char name[UNITS_NAME_SIZE];
        enum unit_trouble trouble;
        bool cleared; /* it is as it should be */
};

struct units_watch {
        struct check_run *run; /* under way */
        sd_bus_slot *slot;
        struct unit_suspect suspects[UNITS_SUSPECTS_MAX];
        size_t n_suspects, at; /* the one that is asked about */
        size_t question;
};

int units_start(struct check_run *run);
void units_stop(struct units_watch *watch);
