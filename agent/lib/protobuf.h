/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The protobuf wire format (protobuf.dev/programming-guides/encoding), reading and writing without schemas.
 */

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

enum protobuf_wire { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

struct protobuf_reader {
        const uint8_t *at, *end;
};

struct protobuf_field {
        uint32_t number;
        enum protobuf_wire wire;
        uint64_t value;       /* VARINT, FIXED64, FIXED32 */
        const uint8_t *bytes; /* BYTES: borrowed */
        size_t size;
};

/* Reads the next field. Returns 1, 0 at the end, or -EBADMSG for bytes that are not protobuf (groups
 * included). */
int protobuf_next(struct protobuf_reader *reader, struct protobuf_field *ret);

/* Appends a varint field to a buffer of `capacity` bytes. Returns the new size or -ENOBUFS. */
int protobuf_put_varint(uint8_t *buffer, size_t capacity, size_t size, uint32_t number, uint64_t value);
/* Likewise a field of bytes: a string, or a message inside. */
int protobuf_put_bytes(uint8_t *buffer, size_t capacity, size_t size, uint32_t number, const void *bytes,
                       size_t bytes_size);
