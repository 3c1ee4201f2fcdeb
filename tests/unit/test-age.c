/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "age-crypto.h"
#include "age.h"
#include "etcd-copy.h"
#include "files.h"

/* The pair of the specification's "The X25519 recipient type", and another. */
#define IDENTITY  "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
#define OTHER     "age1xp37e6rpk7u27aux95xgvyk2shgfpvmc6ht9ywesdpz7xtea7evqt6qhrq"

static struct age_identities ours;

static int group_set_up(void **state)
{
        return age_identities_parse("# ours\n\n" IDENTITY "\n", &ours, NULL);
}

static int group_tear_down(void **state)
{
        age_identities_clear(&ours);
        return 0;
}

static void fill(uint8_t *data, size_t size)
{
        for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t)(i * 2654435761u >> 13);
}

static void encrypt(const uint8_t *data, size_t size, size_t piece, struct bytes *ret,
                    struct age_file_key *key)
{
        _cleanup_(age_encryptor_freep) struct age_encryptor *encryptor = NULL;
        struct age_recipient recipients[2];

        assert_int_equal(age_recipient_parse(OTHER, &recipients[0]), 0);
        assert_int_equal(age_recipient_parse(RECIPIENT, &recipients[1]), 0);
        assert_int_equal(age_encryptor_new(recipients, 2, bytes_append, ret, &encryptor), 0);
        for (size_t at = 0; at < size; at += piece)
                assert_int_equal(age_encryptor_add(encryptor, data + at,
                                                   size - at < piece ? size - at : piece),
                                 0);
        assert_int_equal(age_encryptor_finish(encryptor), 0);
        if (key)
                age_encryptor_file_key(encryptor, key);
}

static int decrypt_with(const struct age_opener *opener, const struct bytes *sealed, size_t piece,
                        struct bytes *ret, struct failure *failure)
{
        _cleanup_(age_decryptor_freep) struct age_decryptor *decryptor = NULL;
        int r;

        assert_int_equal(age_decryptor_new(opener, bytes_append, ret, &decryptor), 0);
        for (size_t at = 0; at < sealed->size; at += piece) {
                r = age_decryptor_feed(decryptor, sealed->data + at,
                                       sealed->size - at < piece ? sealed->size - at : piece, failure);
                if (r < 0)
                        return r;
        }
        return age_decryptor_finish(decryptor, failure);
}

static int decrypt(const struct bytes *sealed, size_t piece, struct bytes *ret, struct failure *failure)
{
        return decrypt_with(&(struct age_opener){ .identities = &ours }, sealed, piece, ret, failure);
}

static void gives_back_what_was_put_in(void **state)
{
        static const size_t sizes[] = { 0,
                                        1,
                                        AGE_CHUNK_SIZE - 1,
                                        AGE_CHUNK_SIZE,
                                        AGE_CHUNK_SIZE + 1,
                                        2 * AGE_CHUNK_SIZE,
                                        5 * AGE_CHUNK_SIZE + 77 };
        static const size_t pieces[] = { 1, 1000, AGE_CHUNK_SIZE, SIZE_MAX / 2 };

        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                for (size_t j = 0; j < ELEMENTS(pieces); j++) {
                        _cleanup_free_ uint8_t *data = malloc(sizes[i] + 1);
                        _cleanup_(bytes_clear) struct bytes sealed = {}, opened = {};

                        assert_non_null(data);
                        fill(data, sizes[i]);
                        encrypt(data, sizes[i], pieces[j], &sealed, NULL);
                        assert_int_equal(decrypt(&sealed, pieces[ELEMENTS(pieces) - 1 - j], &opened, NULL),
                                         0);
                        assert_int_equal(opened.size, sizes[i]);
                        if (sizes[i] > 0)
                                assert_memory_equal(opened.data, data, sizes[i]);
                }
}

static void the_writer_can_read_back_without_an_identity(void **state)
{
        _cleanup_(bytes_clear) struct bytes sealed = {}, opened = {}, foreign = {};
        _cleanup_failure_ failure = {};
        struct age_file_key key;

        encrypt((const uint8_t *)"secret", 6, 6, &sealed, &key);
        assert_int_equal(decrypt_with(&(struct age_opener){ .file_key = &key }, &sealed, 100, &opened, NULL),
                         0);
        assert_memory_equal(opened.data, "secret", 6);

        encrypt((const uint8_t *)"secret", 6, 6, &foreign, NULL);
        assert_int_equal(decrypt_with(&(struct age_opener){ .file_key = &key }, &foreign, 100, &opened,
                                      &failure),
                         -EBADMSG);
}

static void every_flipped_bit_is_found(void **state)
{
        _cleanup_(bytes_clear) struct bytes sealed = {};

        encrypt((const uint8_t *)"secret", 6, 6, &sealed, NULL);
        for (size_t i = 0; i < sealed.size; i++) {
                _cleanup_(bytes_clear) struct bytes opened = {};
                _cleanup_failure_ failure = {};
                int r;

                sealed.data[i] ^= (uint8_t)(1u << i % 8);
                r = decrypt(&sealed, 100, &opened, &failure);
                sealed.data[i] ^= (uint8_t)(1u << i % 8);
                /* In our own stanza it may no longer be ours. */
                assert_true(r == -EBADMSG || r == -ENOKEY);
                assert_non_null(failure.message);
                assert_int_equal(opened.size, 0);
        }
}

static void every_truncation_is_found(void **state)
{
        _cleanup_(bytes_clear) struct bytes sealed = {};
        size_t whole;

        encrypt((const uint8_t *)"secret", 6, 6, &sealed, NULL);
        whole = sealed.size;
        for (sealed.size = 0; sealed.size < whole; sealed.size++) {
                _cleanup_(bytes_clear) struct bytes opened = {};
                _cleanup_failure_ failure = {};

                assert_int_equal(decrypt(&sealed, 100, &opened, &failure), -EBADMSG);
                assert_int_equal(opened.size, 0);
        }
        sealed.size = whole;
}

/* Four chunks: one and two are full, the third is the last. */
#define SEALED_CHUNK (AGE_CHUNK_SIZE + AGE_TAG_SIZE)
static void chunks(struct bytes *sealed, uint8_t **ret_payload)
{
        _cleanup_free_ uint8_t *data = malloc(2 * AGE_CHUNK_SIZE + 9);

        assert_non_null(data);
        fill(data, 2 * AGE_CHUNK_SIZE + 9);
        encrypt(data, 2 * AGE_CHUNK_SIZE + 9, SIZE_MAX / 2, sealed, NULL);
        *ret_payload = sealed->data + sealed->size - (2 * SEALED_CHUNK + 9 + AGE_TAG_SIZE);
}

static void chunks_cannot_be_reordered(void **state)
{
        _cleanup_(bytes_clear) struct bytes sealed = {}, opened = {};
        _cleanup_free_ uint8_t *first = malloc(SEALED_CHUNK);
        uint8_t *payload;

        assert_non_null(first);
        chunks(&sealed, &payload);
        memcpy(first, payload, SEALED_CHUNK);
        memcpy(payload, payload + SEALED_CHUNK, SEALED_CHUNK);
        memcpy(payload + SEALED_CHUNK, first, SEALED_CHUNK);
        assert_int_equal(decrypt(&sealed, 70000, &opened, NULL), -EBADMSG);
        assert_int_equal(opened.size, 0);
}

static void chunks_cannot_be_left_out_or_repeated(void **state)
{
        _cleanup_(bytes_clear) struct bytes without = {}, twice = {}, opened = {};
        uint8_t *payload;

        chunks(&without, &payload);
        memmove(payload, payload + SEALED_CHUNK, SEALED_CHUNK + 9 + AGE_TAG_SIZE);
        without.size -= SEALED_CHUNK;
        assert_int_equal(decrypt(&without, 70000, &opened, NULL), -EBADMSG);

        chunks(&twice, &payload);
        memcpy(payload + SEALED_CHUNK, payload, SEALED_CHUNK);
        assert_int_equal(decrypt(&twice, 70000, &opened, NULL), -EBADMSG);
        assert_int_equal(opened.size, AGE_CHUNK_SIZE); /* the first is authentic */
}

static void a_payload_cut_between_chunks_is_found(void **state)
{
        _cleanup_(bytes_clear) struct bytes sealed = {}, opened = {};
        uint8_t *payload;

        chunks(&sealed, &payload);
        sealed.size -= 9 + AGE_TAG_SIZE;
        assert_int_equal(decrypt(&sealed, 70000, &opened, NULL), -EBADMSG);
        sealed.size -= SEALED_CHUNK;
        assert_int_equal(decrypt(&sealed, 70000, &opened, NULL), -EBADMSG);
}

static void nothing_may_follow_the_end(void **state)
{
        static const size_t sizes[] = { 6, AGE_CHUNK_SIZE };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_free_ uint8_t *data = calloc(1, sizes[i]);
                _cleanup_(bytes_clear) struct bytes sealed = {}, opened = {};

                encrypt(data, sizes[i], SIZE_MAX / 2, &sealed, NULL);
                assert_int_equal(bytes_append("x", 1, &sealed), 0);
                assert_int_equal(decrypt(&sealed, 100, &opened, NULL), -EBADMSG);
                assert_int_equal(opened.size, 0);
        }
}

static void another_identity_is_told_whom_it_is_for(void **state)
{
        _cleanup_identities_ theirs = {};
        _cleanup_(bytes_clear) struct bytes sealed = {}, opened = {};
        _cleanup_failure_ failure = {}, none = {};

        assert_int_equal(age_identities_parse(
                                 "AGE-SECRET-KEY-1DUHCYD0X2UNM6TGSKKGUJEGERRXV8ZAR7LEGQ9MREL79WLUTVXEQSRFJ6V",
                                 &theirs, &failure),
                         0);
        encrypt((const uint8_t *)"secret", 6, 6, &sealed, NULL);
        assert_int_equal(decrypt_with(&(struct age_opener){ .identities = &theirs }, &sealed, 100, &opened,
                                      &failure),
                         -ENOKEY);
        assert_string_equal(failure.reason, "NotARecipient");
        assert_non_null(strstr(failure.message, "it is not encrypted to age1"));
        assert_int_equal(decrypt_with(&(struct age_opener){}, &sealed, 100, &opened, &none), -ENOKEY);
}

static void keys_of_the_specification_belong_together(void **state)
{
        char text[AGE_RECIPIENT_TEXT_SIZE];

        assert_string_equal(age_recipient_format(&ours.items[0].recipient, text), RECIPIENT);
        assert_int_equal(ours.items[0].secret[0], 0x42);
        assert_int_equal(ours.items[0].secret[31], 0x42);
}

static void what_is_no_recipient_is_refused(void **state)
{
        static const char *const texts[] = {
                "",
                "age1",
                IDENTITY,
                (RECIPIENT " "),
                (" " RECIPIENT),
                "AGE1ZVKYG2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        };
        struct age_recipient recipient;

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_int_equal(age_recipient_parse(texts[i], &recipient), -EINVAL);
}

/* Encrypting to one of these would be encrypting to everybody. RFC 7748, 6.1; cr.yp.to/ecdh.html. */
static void a_recipient_of_low_order_is_refused(void **state)
{
        static const uint8_t points[][AGE_KEY_SIZE] = {
                {},
                { 1 },
                { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
                  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
                  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
                { 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
                  0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
                  0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
        };
        char text[AGE_RECIPIENT_TEXT_SIZE];
        struct age_recipient recipient;

        for (size_t i = 0; i < ELEMENTS(points); i++) {
                bech32_encode("age", points[i], AGE_KEY_SIZE, text);
                assert_int_equal(age_recipient_parse(text, &recipient), -EINVAL);
        }
}

static void without_recipients_nothing_is_encrypted(void **state)
{
        struct age_encryptor *encryptor;
        struct bytes sealed = {};

        assert_int_equal(age_encryptor_new(NULL, 0, bytes_append, &sealed, &encryptor), -EINVAL);
        assert_int_equal(sealed.size, 0);
}

static void a_key_file_never_shows_its_lines(void **state)
{
        static const char *const texts[] = {
                "",
                "# only this\n",
                "AGE-SECRET-KEY-1QQQ\n",
                (IDENTITY "x\n"),
                (IDENTITY "\nAGE-PLUGIN-YUBIKEY-1QQQQ\n"),
                (RECIPIENT "\n"),
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                _cleanup_identities_ identities = {};
                _cleanup_failure_ failure = {};

                assert_int_equal(age_identities_parse(texts[i], &identities, &failure), -EINVAL);
                assert_string_equal(failure.reason, "IdentityInvalid");
                assert_null(strstr(failure.message, "KEY-1Q"));
                assert_null(strstr(failure.message, "KEY-1G"));
        }
}

static void a_key_file_that_others_can_read_is_refused(void **state)
{
        char path[] = "/tmp/identity-XXXXXX";
        _cleanup_identities_ identities = {};
        _cleanup_failure_ failure = {};
        _cleanup_close_ int fd = mkstemp(path);

        assert_int_equal(write_all(fd, IDENTITY "\r\n", strlen(IDENTITY "\r\n")), 0);
        assert_int_equal(age_identities_load(path, &identities, &failure), 0);
        assert_int_equal(identities.count, 1);
        age_identities_clear(&identities);
        assert_int_equal(fchmod(fd, 0640), 0);
        assert_int_equal(age_identities_load(path, &identities, &failure), -EPERM);
        unlink(path);
}

static int full(const void *data, size_t size, void *userdata)
{
        return -ENOSPC;
}

static void a_sink_that_fails_ends_it(void **state)
{
        _cleanup_(age_decryptor_freep) struct age_decryptor *decryptor = NULL;
        const struct age_opener opener = { .identities = &ours };
        _cleanup_(bytes_clear) struct bytes sealed = {};
        struct age_encryptor *encryptor;
        struct age_recipient recipient;

        assert_int_equal(age_recipient_parse(RECIPIENT, &recipient), 0);
        assert_int_equal(age_encryptor_new(&recipient, 1, full, NULL, &encryptor), -ENOSPC);
        encrypt((const uint8_t *)"secret", 6, 6, &sealed, NULL);
        assert_int_equal(age_decryptor_new(&opener, full, NULL, &decryptor), 0);
        assert_int_equal(age_decryptor_feed(decryptor, sealed.data, sealed.size, NULL), 0);
        assert_int_equal(age_decryptor_finish(decryptor, NULL), -ENOSPC);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gives_back_what_was_put_in),
                cmocka_unit_test(the_writer_can_read_back_without_an_identity),
                cmocka_unit_test(every_flipped_bit_is_found),
                cmocka_unit_test(every_truncation_is_found),
                cmocka_unit_test(chunks_cannot_be_reordered),
                cmocka_unit_test(chunks_cannot_be_left_out_or_repeated),
                cmocka_unit_test(a_payload_cut_between_chunks_is_found),
                cmocka_unit_test(nothing_may_follow_the_end),
                cmocka_unit_test(another_identity_is_told_whom_it_is_for),
                cmocka_unit_test(keys_of_the_specification_belong_together),
                cmocka_unit_test(what_is_no_recipient_is_refused),
                cmocka_unit_test(a_recipient_of_low_order_is_refused),
                cmocka_unit_test(without_recipients_nothing_is_encrypted),
                cmocka_unit_test(a_key_file_never_shows_its_lines),
                cmocka_unit_test(a_key_file_that_others_can_read_is_refused),
                cmocka_unit_test(a_sink_that_fails_ends_it),
        };

        return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
