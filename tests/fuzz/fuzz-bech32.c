/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/bech32.c"

#include <strings.h>

#include "fuzz.h"

/* What is taken as bytes is the encoding of these bytes, whatever their number. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char text[256], again[256];
        uint8_t bytes[BECH32_BYTES_MAX];

        if (size >= sizeof(text) / 2)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        for (size_t n = 0; n <= BECH32_BYTES_MAX; n++)
                if (bech32_decode("age", text, bytes, n) == 0)
                        PROMISE(strcasecmp(bech32_encode("age", bytes, n, again), text) == 0);

        if (size <= BECH32_BYTES_MAX) {
                bech32_encode("age", data, size, text);
                PROMISE(bech32_decode("age", text, bytes, size) == 0);
                PROMISE(memcmp(bytes, data, size) == 0);
        }
        return 0;
}
