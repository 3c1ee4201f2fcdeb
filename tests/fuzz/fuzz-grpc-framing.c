/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/grpc.c"

#include "fuzz.h"

#define MESSAGE_MAX 1000

static int on_message_counted(const uint8_t *message, size_t size, void *userdata)
{
        size_t *bytes = userdata;

        PROMISE(size <= MESSAGE_MAX);
        *bytes = *bytes * 31 + size;
        for (size_t i = 0; i < size; i++)
                *bytes = *bytes * 31 + message[i];
        return 0;
}

/* The messages are the same however the bytes are split; the first byte says how. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct grpc_framer whole = { .message_max = MESSAGE_MAX }, split = { .message_max = MESSAGE_MAX };
        size_t of_whole = 0, of_split = 0, piece;
        int r, s = 0;

        if (size == 0)
                return 0;
        piece = data[0] % 16 + 1u;
        data++;
        size--;

        r = grpc_framer_feed(&whole, data, size, on_message_counted, &of_whole);
        for (size_t at = 0; at < size && s == 0; at += piece)
                s = grpc_framer_feed(&split, data + at, size - at < piece ? size - at : piece,
                                     on_message_counted, &of_split);
        PROMISE(r == s);
        PROMISE(of_whole == of_split);
        PROMISE(r < 0 || grpc_framer_idle(&whole) == grpc_framer_idle(&split));
        grpc_framer_clear(&whole);
        grpc_framer_clear(&split);
        return 0;
}
