/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/config.c"
#include "../../agent/lib/config-check.c"
#include "../../agent/lib/config-refusal.c"
#include "../../agent/lib/config-value.c"
#include "../unit/config-example.c"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_failure_ failure = {};
        void *parsed = NULL;

        if (config_parse(&example_type, "F", (const char *)data, size, &parsed, &failure) < 0) {
                PROMISE(!parsed);
                promise_one_line(failure.message);
                PROMISE(strncmp(failure.message, "F: ", 3) == 0);
                return 0;
        }
        PROMISE(((struct example *)parsed)->targets.count >= 1);
        config_free(&example_type, parsed);
        return 0;
}
