/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a pod's manifest or the kubelet's configuration: arguments begin with two hyphens. */

#include "fuzz.h"

#include "node-files.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(arguments_clear) struct arguments arguments = {};
        _cleanup_free_ char *found = NULL;

        if (manifest_parse((const char *)data, size, &arguments) >= 0)
                for (size_t i = 0; i < arguments.count; i++)
                        PROMISE(strncmp(arguments.items[i], "--", 2) == 0);
        (void)argument_value(&arguments, "--authorization-mode");
        (void)yaml_text_at((const char *)data, size, "authentication.anonymous.enabled", &found);
        return 0;
}
