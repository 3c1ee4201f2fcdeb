/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "grpc.c"

struct seen {
        unsigned count;
        size_t bytes;
        uint8_t last;
        int answer;
};

static int on_message_seen(const uint8_t *message, size_t size, void *userdata)
{
        struct seen *seen = userdata;

        seen->count++;
        seen->bytes += size;
        seen->last = size > 0 ? message[size - 1] : 0;
        return seen->answer;
}

/* "", "ab", "c" */
static const uint8_t three[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 1, 'c' };

static void joins_messages_however_they_are_split(void **state)
{
        for (size_t piece = 1; piece <= sizeof(three); piece++) {
                struct grpc_framer framer = {};
                struct seen seen = {};

                for (size_t at = 0; at < sizeof(three); at += piece) {
                        size_t n = sizeof(three) - at < piece ? sizeof(three) - at : piece;

                        assert_int_equal(grpc_framer_feed(&framer, three + at, n, on_message_seen, &seen), 0);
                }
                assert_int_equal(seen.count, 3);
                assert_int_equal(seen.bytes, 3);
                assert_int_equal(seen.last, 'c');
                assert_true(grpc_framer_idle(&framer));
                grpc_framer_clear(&framer);
        }
}

static void knows_a_stream_that_ends_inside_a_message(void **state)
{
        struct grpc_framer framer = {};
        struct seen seen = {};

        assert_int_equal(grpc_framer_feed(&framer, three, sizeof(three) - 1, on_message_seen, &seen), 0);
        assert_int_equal(seen.count, 2);
        assert_false(grpc_framer_idle(&framer));
        grpc_framer_clear(&framer);
}

static void refuses_compressed_and_oversized_messages_before_their_bytes_come(void **state)
{
        static const uint8_t compressed[] = { 1, 0, 0, 0, 1 }, large[] = { 0, 0, 0, 1, 1 },
                             huge[] = { 0, 0xff, 0xff, 0xff, 0xff };
        struct grpc_framer framer = { .message_max = 256 };
        struct seen seen = {};

        assert_int_equal(grpc_framer_feed(&framer, compressed, sizeof(compressed), on_message_seen, &seen),
                         -EPROTO);
        grpc_framer_clear(&framer);
        assert_int_equal(grpc_framer_feed(&framer, large, sizeof(large), on_message_seen, &seen), -EMSGSIZE);
        grpc_framer_clear(&framer);
        assert_int_equal(grpc_framer_feed(&framer, huge, sizeof(huge), on_message_seen, &seen), -EMSGSIZE);
        grpc_framer_clear(&framer);
        assert_int_equal(seen.count, 0);
}

static void hands_on_what_the_receiver_answers(void **state)
{
        struct seen seen = { .answer = -ENOSPC };
        struct grpc_framer framer = {};

        assert_int_equal(grpc_framer_feed(&framer, three, sizeof(three), on_message_seen, &seen), -ENOSPC);
        assert_int_equal(seen.count, 1);
        grpc_framer_clear(&framer);
}

static void decodes_the_peers_message_into_one_line(void **state)
{
        char buffer[16];

        decode_message("a%20b%0Ac%zz%", buffer, sizeof(buffer));
        assert_string_equal(buffer, "a b c%zz%");
        decode_message("0123456789abcdefgh", buffer, sizeof(buffer));
        assert_string_equal(buffer, "0123456789abcde");
        decode_message("cut%4", buffer, sizeof(buffer));
        assert_string_equal(buffer, "cut%4");
}

static void names_every_status(void **state)
{
        assert_string_equal(code_name(GRPC_UNAVAILABLE), "Unavailable");
        assert_string_equal(code_name(GRPC_UNAUTHENTICATED), "Unauthenticated");
        assert_string_equal(code_name(17), "UnknownStatus");
        assert_int_equal(parse_status("14"), 14);
        assert_int_equal(parse_status(""), GRPC_UNKNOWN);
        assert_int_equal(parse_status("-1"), GRPC_UNKNOWN);
        assert_int_equal(parse_status("0x"), GRPC_UNKNOWN);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(joins_messages_however_they_are_split),
                cmocka_unit_test(knows_a_stream_that_ends_inside_a_message),
                cmocka_unit_test(refuses_compressed_and_oversized_messages_before_their_bytes_come),
                cmocka_unit_test(hands_on_what_the_receiver_answers),
                cmocka_unit_test(decodes_the_peers_message_into_one_line),
                cmocka_unit_test(names_every_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
