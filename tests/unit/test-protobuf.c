/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "protobuf.h"

static struct protobuf_reader reader_of(const void *bytes, size_t size)
{
        return (struct protobuf_reader){ bytes, (const uint8_t *)bytes + size };
}

#define READER(...) reader_of((uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void reads_each_wire_type(void **state)
{
        struct protobuf_reader reader = READER(0x08, 0x96, 0x01, /* 1: 150, the documentation's example */
                                               0x12, 0x03, 'a', 'b', 'c',           /* 2: "abc" */
                                               0x1d, 0x01, 0x02, 0x03, 0x04,        /* 3: fixed32 */
                                               0x21, 0x01, 0, 0, 0, 0, 0, 0, 0x80); /* 4: fixed64 */
        struct protobuf_field field;

        assert_int_equal(protobuf_next(&reader, &field), 1);
        assert_int_equal(field.number, 1);
        assert_int_equal(field.wire, PROTOBUF_VARINT);
        assert_int_equal(field.value, 150);
        assert_int_equal(protobuf_next(&reader, &field), 1);
        assert_int_equal(field.number, 2);
        assert_int_equal(field.size, 3);
        assert_memory_equal(field.bytes, "abc", 3);
        assert_int_equal(protobuf_next(&reader, &field), 1);
        assert_int_equal(field.value, 0x04030201);
        assert_int_equal(protobuf_next(&reader, &field), 1);
        assert_true(field.value == UINT64_C(0x8000000000000001));
        assert_int_equal(protobuf_next(&reader, &field), 0);
}

static void reads_the_largest_varint_and_no_larger(void **state)
{
        struct protobuf_reader largest =
                READER(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
        struct protobuf_reader larger =
                READER(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
        struct protobuf_reader longer =
                READER(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
        struct protobuf_field field;

        assert_int_equal(protobuf_next(&largest, &field), 1);
        assert_true(field.value == UINT64_MAX);
        assert_int_equal(protobuf_next(&larger, &field), -EBADMSG);
        assert_int_equal(protobuf_next(&longer, &field), -EBADMSG);
}

static void refuses_what_is_cut_off(void **state)
{
        static const uint8_t whole[] = { 0x12, 0x03, 'a', 'b', 'c' };
        struct protobuf_field field;

        for (size_t size = 1; size < sizeof(whole); size++) {
                uint8_t *cut = malloc(size); /* on the heap a sanitizer sees a step behind it */
                struct protobuf_reader reader = reader_of(memcpy(cut, whole, size), size);

                assert_int_equal(protobuf_next(&reader, &field), -EBADMSG);
                free(cut);
        }
}

static void refuses_groups_and_field_zero(void **state)
{
        struct protobuf_reader group = READER(0x0b, 0x0c), zero = READER(0x00, 0x01), seven = READER(0x0f);
        struct protobuf_field field;

        assert_int_equal(protobuf_next(&group, &field), -EBADMSG);
        assert_int_equal(protobuf_next(&zero, &field), -EBADMSG);
        assert_int_equal(protobuf_next(&seven, &field), -EBADMSG);
}

static void writes_what_it_reads(void **state)
{
        static const uint64_t values[] = { 0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX };
        struct protobuf_field field;
        uint8_t buffer[16];

        for (size_t i = 0; i < ELEMENTS(values); i++) {
                int size = protobuf_put_varint(buffer, sizeof(buffer), 0, 1000, values[i]);
                struct protobuf_reader reader = reader_of(buffer, (size_t)size);

                assert_true(size > 0);
                assert_int_equal(protobuf_next(&reader, &field), 1);
                assert_int_equal(field.number, 1000);
                assert_true(field.value == values[i]);
                assert_int_equal(protobuf_put_varint(buffer, (size_t)size - 1, 0, 1000, values[i]), -ENOBUFS);
        }
}

static void writes_fields_of_bytes_that_it_reads_back(void **state)
{
        uint8_t buffer[16];
        struct protobuf_reader reader;
        struct protobuf_field field;
        int n;

        n = protobuf_put_bytes(buffer, sizeof(buffer), 0, 1, "key", 3);
        n = protobuf_put_bytes(buffer, sizeof(buffer), (size_t)n, 2, "", 0);
        assert_int_equal(n, 7);
        reader = (struct protobuf_reader){ buffer, buffer + n };
        assert_int_equal(protobuf_next(&reader, &field), 1);
        assert_int_equal(field.number, 1);
        assert_int_equal(field.size, 3);
        assert_memory_equal(field.bytes, "key", 3);
        assert_int_equal(protobuf_next(&reader, &field), 1);
        assert_int_equal(field.size, 0);
        assert_int_equal(protobuf_put_bytes(buffer, 4, 0, 1, "key", 3), -ENOBUFS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_fields_of_bytes_that_it_reads_back),
                cmocka_unit_test(reads_each_wire_type),
                cmocka_unit_test(reads_the_largest_varint_and_no_larger),
                cmocka_unit_test(refuses_what_is_cut_off),
                cmocka_unit_test(refuses_groups_and_field_zero),
                cmocka_unit_test(writes_what_it_reads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
