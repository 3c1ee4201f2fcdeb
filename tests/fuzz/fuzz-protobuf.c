/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/protobuf.c"

#include "fuzz.h"

/* Every field lies within the bytes, and reading comes to an end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct protobuf_reader reader = { data, data + size };
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                PROMISE(field.number > 0);
                PROMISE(reader.at > data && reader.at <= data + size);
                if (field.wire == PROTOBUF_BYTES)
                        PROMISE(field.bytes >= data && field.size <= (size_t)(data + size - field.bytes));
        }
        PROMISE(r == -EBADMSG || (r == 0 && reader.at == reader.end));
        return 0;
}
