/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bech32.h"
#include "cleanup.h"

/* BIP 173, "Test vectors". */
static void takes_what_the_standard_takes(void **state)
{
        static const struct {
                const char *prefix, *text;
                size_t size;
        } vectors[] = {
                { "a", "A12UEL5L", 0 },
                { "a", "a12uel5l", 0 },
                { "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio",
                  "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tg"
                  "s",
                  0 },
                { "abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", 20 },
                { "1",
                  "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247"
                  "j",
                  51 },
                { "split", "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", 30 },
                { "?", "?1ezyfcl", 0 },
        };

        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                uint8_t data[BECH32_BYTES_MAX];
                char again[128];

                assert_int_equal(bech32_decode(vectors[i].prefix, vectors[i].text, data, vectors[i].size), 0);
                bech32_encode(vectors[i].prefix, data, vectors[i].size, again);
                assert_int_equal(strcasecmp(again, vectors[i].text), 0);
        }
}

static void refuses_what_the_standard_refuses(void **state)
{
        static const char *const texts[] = { "a12uel5m", "A12uEL5L", "a2uel5l", "a12uel5",  "a12uel5ll",
                                             "b12uel5l", "a12uel5b", "12uel5l", "a1l5leu2", "" };
        uint8_t data[BECH32_BYTES_MAX];

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_int_equal(bech32_decode("a", texts[i], data, 0), -EINVAL);
}

static void bits_behind_the_last_byte_are_zero(void **state)
{
        uint8_t one = 0x01, data;
        char text[BECH32_TEXT_SIZE(1, 1)];

        /* Eight bits in two characters leave two over. Their values and the right checksums: */
        assert_string_equal(bech32_encode("x", &one, 1, text), "x1qy5utz72");
        assert_int_equal(bech32_decode("x", "x1qy5utz72", &data, 1), 0);
        assert_int_equal(data, 1);
        assert_int_equal(bech32_decode("x", "x1q9f2lhrc", &data, 1), -EINVAL);
}

static void every_changed_character_is_found(void **state)
{
        static const char good[] = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        uint8_t data[32];

        assert_int_equal(bech32_decode("age", good, data, sizeof(data)), 0);
        for (size_t i = 0; i < strlen(good); i++)
                for (char c = ' '; c < 0x7f; c++) {
                        char text[sizeof(good)];

                        memcpy(text, good, sizeof(good));
                        text[i] = c;
                        if (c != good[i])
                                assert_int_equal(bech32_decode("age", text, data, sizeof(data)), -EINVAL);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_what_the_standard_takes),
                cmocka_unit_test(refuses_what_the_standard_refuses),
                cmocka_unit_test(bits_behind_the_last_byte_are_zero),
                cmocka_unit_test(every_changed_character_is_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
