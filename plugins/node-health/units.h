/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All services of this node that are not as they should be: failed, starting or stopping for ever, or enabled
 * and not running. */

#include <systemd/sd-bus.h>

#include "check.h"

#define UNITS_SUSPECTS_MAX 64  /* oneshots that ran are some of them, until they are asked */
#define UNITS_NAME_SIZE    256 /* UNIT_NAME_MAX of systemd */

/* A unit counts that was found in trouble by each look for so long; with the second such result, which the
 * row asks for, these are the five minutes of node-mixin's NodeSystemdServiceFailed. */
#define UNITS_TROUBLE_USEC (4 * 60 * UINT64_C(1000000) - 10 * UINT64_C(1000000))

enum unit_trouble { UNIT_FAILED, UNIT_STARTING, UNIT_STOPPING, UNIT_INACTIVE };

struct unit_suspect {
        char name[UNITS_NAME_SIZE];
        enum unit_trouble trouble;
        bool cleared;        /* it is as it should be */
        uint64_t since_usec; /* CLOCK_BOOTTIME of the first look of those in a row that found it so */
};

struct units_watch {
        struct check_run *run; /* under way */
        sd_bus_slot *slot;
        struct unit_suspect suspects[UNITS_SUSPECTS_MAX];
        size_t n_suspects, at; /* the one that is asked about */
        size_t question;
        struct unit_suspect before[UNITS_SUSPECTS_MAX]; /* that the last look did not clear */
        size_t n_before;
        bool judged; /* once there was a result that took all units into account */
};

/* What a finished look says, with those before it. Pure. */
void units_judge(struct units_watch *watch, uint64_t now_usec, struct check_result *ret);

int units_start(struct check_run *run);
void units_stop(struct units_watch *watch);
