/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Places at which a test has the program killed, as a power cut would: FAULT_POINT("name") is SIGKILL when
 * CAPI_NODE_FAULT_POINT is that name. How long a peer may stand still is stall_seconds(usual), which is less
 * where a test waits for it: CAPI_NODE_STALL_SECONDS. Only in the build with tests; nothing at all in the
 * package. */

#ifdef FAULT_POINTS
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void fault_point(const char *name)
{
        const char *wanted = secure_getenv("CAPI_NODE_FAULT_POINT");

        if (wanted && strcmp(wanted, name) == 0)
                kill(getpid(), SIGKILL);
}
#define FAULT_POINT(name) fault_point(name)

static inline uint64_t stall_seconds(uint64_t usual)
{
        const char *seconds = secure_getenv("CAPI_NODE_STALL_SECONDS");

        return seconds ? strtoull(seconds, NULL, 10) : usual;
}
#else
#define FAULT_POINT(name)    ((void)(name))
#define stall_seconds(usual) UINT64_C(usual)
#endif
