/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A point in time that outlives a boot and does not believe the wall clock more than it must. */

#include <stdint.h>

#include "json.h"

#define BOOT_ID_SIZE 37

struct moment {
        uint64_t realtime_usec;
        uint64_t boottime_usec; /* of the boot with … */
        char boot_id[BOOT_ID_SIZE];
};

/* Now, and the time on CLOCK_BOOTTIME at which this boot was first seen (about its beginning). In a container
 * the boot id is the container's while CLOCK_BOOTTIME is the host's, so that 0 would be too early. */
struct present {
        struct moment now;
        uint64_t boot_seen_usec;
};

void moment_now(struct moment *ret);

/* How long ago it was, at least. Within one boot that is exact whatever was done to the clock; over a boot it
 * is the difference of the clocks, 0 when that is negative, but never less than this boot has lasted. */
uint64_t moment_age(const struct moment *moment, const struct present *present);

/* As the keys "NAMEAt" (RFC 3339), "NAMEBootId" and "NAMEBoottimeUsec" of an object; read returns -EINVAL
 * when one is missing or of another form. */
int moment_write(const struct moment *moment, json_object *object, const char *name);
int moment_read(json_object *object, const char *name, struct moment *ret);
