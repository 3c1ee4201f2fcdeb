/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "digest.h"
#include "sha256.h"

static void has_the_digests_of_the_standards_examples(void **state)
{
        char text[SHA256_TEXT_SIZE];

        /* csrc.nist.gov, "SHA256.pdf" of the example values. */
        assert_int_equal(digest_text("abc", 3, text), 0);
        assert_string_equal(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_int_equal(digest_text("", 0, text), 0);
        assert_string_equal(text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void agrees_with_openssl_for_every_length_around_a_block(void **state)
{
        uint8_t data[300], own[SHA256_SIZE], theirs[SHA256_SIZE];

        for (size_t size = 0; size <= sizeof(data); size++) {
                _cleanup_(hasher_freep) struct hasher *hasher = NULL;

                for (size_t i = 0; i < size; i++)
                        data[i] = (uint8_t)(i * 7 + size);
                assert_int_equal(hasher_new(&hasher), 0);
                assert_int_equal(hasher_add(hasher, data, size), 0);
                assert_int_equal(hasher_finish(hasher, theirs), 0);
                sha256(data, size, own);
                assert_memory_equal(own, theirs, sizeof(own));
        }
}

static void any_pieces_give_the_digest_of_the_whole(void **state)
{
        static uint8_t data[1000];
        uint8_t whole[SHA256_SIZE], pieces[SHA256_SIZE];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 11);
        sha256(data, sizeof(data), whole);
        for (size_t piece = 1; piece <= 200; piece++) {
                struct sha256 sum;

                sha256_begin(&sum);
                for (size_t at = 0; at < sizeof(data); at += piece) {
                        sha256_add(&sum, data + at, sizeof(data) - at < piece ? sizeof(data) - at : piece);
                        sha256_add(&sum, NULL, 0);
                }
                sha256_end(&sum, pieces);
                assert_memory_equal(pieces, whole, sizeof(whole));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(has_the_digests_of_the_standards_examples),
                cmocka_unit_test(agrees_with_openssl_for_every_length_around_a_block),
                cmocka_unit_test(any_pieces_give_the_digest_of_the_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
