/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every fuzz target needs: libFuzzer's entry point and a way to say that a promise was broken. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert() it stays in every build. */
#define PROMISE(condition)        \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)

/* A message for a person is one line without control characters. */
static inline void promise_one_line(const char *text)
{
        PROMISE(text);
        for (; *text; text++)
                PROMISE((unsigned char)*text >= ' ' && *text != 0x7F);
}
