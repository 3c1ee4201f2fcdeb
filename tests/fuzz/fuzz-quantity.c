/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/quantity.c"

#include "fuzz.h"

/* What is read is written in a form that is read as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size);
        char written[QUANTITY_SIZE];
        uint64_t value, again;
        double fraction;

        if (duration_parse(text, &value) == 0) {
                PROMISE(duration_parse(duration_format(value, written), &again) == 0 && again == value);
                PROMISE(strlen(duration_format_human(value, written)) < QUANTITY_SIZE);
        }
        if (size_parse(text, &value) == 0) {
                PROMISE(size_parse(size_format(value, written), &again) == 0 && again == value);
                PROMISE(strlen(size_format_human(value, written)) < QUANTITY_SIZE);
        }
        if (percent_parse(text, &fraction) == 0)
                PROMISE(fraction >= 0 && fraction <= 1);
        return 0;
}
