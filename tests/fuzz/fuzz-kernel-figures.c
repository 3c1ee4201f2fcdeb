/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as one of the kernel's small files: its numbers are found or refused, and nothing is set then. */

#include "fuzz.h"

#include "kernel-figures.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size);
        uint64_t figures[3], value = 7;

        PROMISE(text);
        if (figures_parse(text, figures, ELEMENTS(figures)) >= 0)
                PROMISE(text[0] != '\0');
        if (figure_find(text, "oom_kill", &value) < 0)
                PROMISE(value == 7);
        return 0;
}
