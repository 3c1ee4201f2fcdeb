/* SPDX-License-Identifier: Apache-2.0 */

/* To be preloaded: a program that sees the time of day CLOCK_SHIFT seconds off, while the clocks that nobody
 * sets go on. */

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t shift(void)
{
        const char *text = secure_getenv("CLOCK_SHIFT");

        return text ? (time_t)strtol(text, NULL, 10) : 0;
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int clock_gettime(clockid_t clock, struct timespec *now)
{
        static int (*real)(clockid_t, struct timespec *);
        int r;

        if (!real)
                real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
        r = real(clock, now);
        if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                now->tv_sec += shift();
        return r;
}

EXPORTED time_t time(time_t *now)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_REALTIME, &ts);
        if (now)
                *now = ts.tv_sec;
        return ts.tv_sec;
}

EXPORTED int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
        struct timespec ts;

        (void)zone;
        (void)clock_gettime(CLOCK_REALTIME, &ts);
        *now = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
        return 0;
}
