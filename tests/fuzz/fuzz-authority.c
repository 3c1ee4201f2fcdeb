/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/custom-ca/authority.c"

#include "fuzz.h"

/* What is accepted is canonical: its own PEM is accepted again, as the same certificate. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct authority_rules rules = { true, true, 0 };
        _cleanup_authorities_ authorities = {};
        _cleanup_failure_ failure = {};

        if (authorities_add(&authorities, "F", "F", (const char *)data, size, &rules, &failure) < 0)
                promise_one_line(failure.message);
        for (size_t i = 0; i < authorities.count; i++) {
                const struct authority *one = &authorities.items[i];
                _cleanup_authorities_ again = {};

                PROMISE(authorities_add(&again, "F", "F", one->pem, strlen(one->pem), &rules, NULL) == 0);
                PROMISE(again.count == 1 && strcmp(again.items[0].fingerprint, one->fingerprint) == 0);
        }
        return 0;
}
