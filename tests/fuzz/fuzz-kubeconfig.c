/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/kubeconfig.c"

#include "fuzz.h"

/* What is taken is whole and https; what is refused leaves one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_kubeconfig_ kubeconfig = {};
        _cleanup_failure_ failure = {};

        if (kubeconfig_parse("F", (const char *)data, size, &kubeconfig, &failure) < 0) {
                promise_one_line(failure.message);
                PROMISE(!kubeconfig.server && !kubeconfig.key.pem);
                return 0;
        }
        PROMISE(strncmp(kubeconfig.server, "https://", 8) == 0);
        PROMISE(kubeconfig.certificate.path || kubeconfig.certificate.pem);
        PROMISE(kubeconfig.key.path || kubeconfig.key.pem);
        return 0;
}
