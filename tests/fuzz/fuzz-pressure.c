/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a file of /proc/pressure: what is taken from it is a fraction of the time. */

#include "fuzz.h"

#include "pressure.c"

static void promise_fraction(double value)
{
        PROMISE(value >= 0 && value <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size);
        struct pressure pressure;

        PROMISE(text);
        if (pressure_parse(text, &pressure) < 0)
                return 0;
        promise_fraction(pressure.some.avg10);
        promise_fraction(pressure.some.avg60);
        promise_fraction(pressure.full.avg10);
        promise_fraction(pressure.full.avg60);
        promise_fraction(pressure.full.avg300);
        return 0;
}
