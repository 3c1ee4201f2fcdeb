/* SPDX-License-Identifier: Apache-2.0 */

#include "timestamp.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "quantity.h"

static uint64_t now_usec(clockid_t clock)
{
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

uint64_t now_boottime_usec(void)
{
        return now_usec(CLOCK_BOOTTIME);
}

uint64_t now_realtime_usec(void)
{
        return now_usec(CLOCK_REALTIME);
}

char *timestamp_format(uint64_t realtime_usec, char buffer[static TIMESTAMP_SIZE])
{
        time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
        struct tm tm;
        size_t n;

        if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900) {
                (void)strcpy(buffer, "9999-12-31T23:59:59.999Z");
                return buffer;
        }
        n = strftime(buffer, TIMESTAMP_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(buffer + n, TIMESTAMP_SIZE - n, ".%03" PRIu64 "Z",
                       realtime_usec % USEC_PER_SEC / 1000);
        return buffer;
}

int timestamp_parse(const char *text, uint64_t *ret_realtime_usec)
{
        struct tm tm = {};
        uint64_t fraction = 0, unit = USEC_PER_SEC / 10;
        const char *rest;
        time_t seconds;

        /* strptime accepts white space and short fields; RFC 3339 does not. */
        if (strlen(text) < strlen("2026-11-21T10:00:00Z"))
                return -EINVAL;
        for (size_t i = 0; i < strlen("2026-11-21T10:00:00"); i++)
                if (("dddd-dd-ddTdd:dd:dd"[i] == 'd') ? !isdigit((unsigned char)text[i])
                                                      : text[i] != "dddd-dd-ddTdd:dd:dd"[i])
                        return -EINVAL;

        rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!rest || tm.tm_year < 70)
                return -EINVAL;
        if (*rest == '.') {
                if (!isdigit((unsigned char)*++rest))
                        return -EINVAL;
                for (; isdigit((unsigned char)*rest); rest++, unit /= 10)
                        fraction += (uint64_t)(*rest - '0') * unit;
        }
        if (strcmp(rest, "Z") != 0)
                return -EINVAL;

        seconds = timegm(&tm);
        if (seconds < 0)
                return -EINVAL;
        *ret_realtime_usec = (uint64_t)seconds * USEC_PER_SEC + fraction;
        return 0;
}

const char *boot_id(void)
{
        static char id[37];

        if (id[0] == '\0') {
                _cleanup_(fclosep) FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

                if (!file || fscanf(file, "%36s", id) != 1)
                        id[0] = '\0';
        }
        return id;
}
