/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as the container runtime's four answers: read or refused, and what is kept is text. */

#include "../../plugins/node-health/runtime.c"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct runtime runtime = {};
        struct check_result result;

        if (size == 0)
                return 0; /* libFuzzer then gives NULL */
        (void)read_serving(data, size, &runtime.serving);
        (void)read_version(data, size, &runtime);
        promise_one_line(runtime.version);
        if (judge_status(data, size, &result) >= 0) {
                PROMISE(result.status != CHECK_UNKNOWN);
                promise_one_line(result.message);
        }
        (void)read_pods(data, size, &runtime);
        return 0;
}
