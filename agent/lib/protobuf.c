/* SPDX-License-Identifier: Apache-2.0 */

#include "protobuf.h"

#include <string.h>

#include <errno.h>

#define VARINT_SIZE_MAX  10
#define FIELD_NUMBER_MAX ((UINT32_C(1) << 29) - 1)

static int read_varint(struct protobuf_reader *reader, uint64_t *ret)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < VARINT_SIZE_MAX; i++) {
                if (reader->at == reader->end)
                        return -EBADMSG;

                uint8_t byte = *reader->at++;

                /* Nine bytes carry 63 bits, so the tenth has one left. */
                if (i == VARINT_SIZE_MAX - 1 && byte > 1)
                        return -EBADMSG;

                value |= (uint64_t)(byte & 0x7f) << (7 * i);
                if (!(byte & 0x80)) {
                        *ret = value;
                        return 0;
                }
        }

        return -EBADMSG;
}

static int read_fixed(struct protobuf_reader *reader, size_t size, uint64_t *ret)
{
        uint64_t value = 0;

        if ((size_t)(reader->end - reader->at) < size)
                return -EBADMSG;

        for (size_t i = 0; i < size; i++)
                value |= (uint64_t)reader->at[i] << (8 * i);

        reader->at += size;
        *ret = value;
        return 0;
}

static int read_bytes(struct protobuf_reader *reader, struct protobuf_field *field)
{
        uint64_t size;
        int r;

        r = read_varint(reader, &size);
        if (r < 0)
                return r;
        if (size > (uint64_t)(reader->end - reader->at))
                return -EBADMSG;

        field->bytes = reader->at;
        field->size = (size_t)size;
        reader->at += size;
        return 0;
}

int protobuf_next(struct protobuf_reader *reader, struct protobuf_field *ret)
{
        struct protobuf_field field = {};
        uint64_t tag;
        int r;

        if (reader->at == reader->end)
                return 0;

        r = read_varint(reader, &tag);
        if (r < 0)
                return r;
        if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
                return -EBADMSG;

        field.number = (uint32_t)(tag >> 3);
        switch (tag & 7) {
        case PROTOBUF_VARINT:
                r = read_varint(reader, &field.value);
                break;
        case PROTOBUF_FIXED64:
                r = read_fixed(reader, 8, &field.value);
                break;
        case PROTOBUF_BYTES:
                r = read_bytes(reader, &field);
                break;
        case PROTOBUF_FIXED32:
                r = read_fixed(reader, 4, &field.value);
                break;
        default: /* 3 and 4 are groups, which proto3 does not have; 6 and 7 are nothing */
                r = -EBADMSG;
                break;
        }
        if (r < 0)
                return r;

        field.wire = (enum protobuf_wire)(tag & 7);
        *ret = field;
        return 1;
}

static int put(uint8_t *buffer, size_t capacity, size_t *size, uint64_t value)
{
        do {
                if (*size >= capacity)
                        return -ENOBUFS;

                buffer[(*size)++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
                value >>= 7;
        } while (value > 0);

        return 0;
}

int protobuf_put_varint(uint8_t *buffer, size_t capacity, size_t size, uint32_t number, uint64_t value)
{
        int r;

        r = put(buffer, capacity, &size, (uint64_t)number << 3 | PROTOBUF_VARINT);
        if (r < 0)
                return r;
        r = put(buffer, capacity, &size, value);
        if (r < 0)
                return r;

        return (int)size;
}

int protobuf_put_bytes(uint8_t *buffer, size_t capacity, size_t size, uint32_t number, const void *bytes,
                       size_t bytes_size)
{
        int r;

        r = put(buffer, capacity, &size, (uint64_t)number << 3 | PROTOBUF_BYTES);
        if (r < 0)
                return r;
        r = put(buffer, capacity, &size, bytes_size);
        if (r < 0)
                return r;
        if (capacity - size < bytes_size)
                return -ENOBUFS;
        memcpy(buffer + size, bytes, bytes_size);
        return (int)(size + bytes_size);
}
