/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a YAML file of kubeadm's: a setting is found, is not there, or all is refused. */

#include "fuzz.h"

#include "yaml-setting.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *found = NULL;

        if (yaml_setting((const char *)data, size, "authentication.anonymous.enabled", &found) < 0)
                PROMISE(!found);
        return 0;
}
