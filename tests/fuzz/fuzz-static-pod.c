/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a static pod's manifest: a value is on one line and fits. */

#include "static-pod.c"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *manifest = strndup((const char *)data, size), value[STATIC_POD_VALUE_SIZE];

        PROMISE(manifest);
        if (static_pod_argument(manifest, "secure-port", value))
                PROMISE(value[0] != '\0' && !strpbrk(value, "\r\n"));
        if (static_pod_tag(manifest, value))
                PROMISE(value[0] != '\0' && !strpbrk(value, "\r\n:/@"));
        free(manifest);
        return 0;
}
