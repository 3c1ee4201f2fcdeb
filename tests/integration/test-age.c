/* SPDX-License-Identifier: Apache-2.0 */

/* age's format against the real age program, both ways: what one encrypts the other opens, and what one
 * refuses the other refuses. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "age-crypto.h"
#include "age-header.h"
#include "age.h"
#include "base64.h"
#include "digest.h"
#include "files.h"
#include "program.h"

#define KEYS  3
#define LARGE (UINT64_C(300) << 20)

static char *root;
static struct age_recipient recipients[KEYS];

/* Runs a shell command with the scratch directory as its own; true when it succeeds. */
static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool shell(const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *command = NULL;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&text, format, ap) > 0);
        va_end(ap);
        assert_true(asprintf(&command, "cd %s && { %s; } 2>/dev/null", root, text) > 0);
        return system(command) == 0;
}

/* A pipe from or to a command there. */
static FILE *pipe_open(const char *mode, const char *text)
{
        _cleanup_free_ char *command = NULL;
        FILE *pipe;

        assert_true(asprintf(&command, "cd %s && { %s; }", root, text) > 0);
        pipe = popen(command, mode);
        assert_non_null(pipe);
        return pipe;
}

static int group_set_up(void **state)
{
        root = root_make();
        for (int i = 0; i < KEYS; i++) {
                _cleanup_free_ char *text = NULL;
                char name[32];

                if (!shell("age-keygen -o key%d && age-keygen -y key%d | tr -d '\\n' >recipient%d", i, i, i))
                        return -1;
                (void)snprintf(name, sizeof(name), "recipient%d", i);
                text = root_read(root, name);
                assert_int_equal(age_recipient_parse(text, &recipients[i]), 0);
        }
        return 0;
}

static int group_tear_down(void **state)
{
        root_remove(root);
        return 0;
}

static void load_identity(const char *name, struct age_identities *ret)
{
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", root, name) > 0);
        assert_int_equal(age_identities_load(path, ret, NULL), 0);
}

/* Bytes that repeat nowhere near, so that no chunk is like another. */
struct generator {
        uint64_t at, size;
        struct hasher *hasher;
};

static size_t generate(struct generator *generator, uint8_t *buffer, size_t size)
{
        size_t n = generator->size - generator->at < size ? (size_t)(generator->size - generator->at) : size;

        for (size_t i = 0; i < n; i++, generator->at++)
                buffer[i] = (uint8_t)(generator->at * UINT64_C(0x9e3779b97f4a7c15) >> 56);
        assert_int_equal(hasher_add(generator->hasher, buffer, n), 0);
        return n;
}

static int to_pipe(const void *data, size_t size, void *userdata)
{
        return fwrite(data, 1, size, userdata) == size ? 0 : -EIO;
}

static int to_hasher(const void *data, size_t size, void *userdata)
{
        return hasher_add(userdata, data, size);
}

static void ours_is_opened_by_age(uint64_t size, size_t n_recipients, int identity)
{
        _cleanup_(age_encryptor_freep) struct age_encryptor *encryptor = NULL;
        static uint8_t buffer[100000];
        _cleanup_free_ char *command = NULL, *told = NULL;
        struct generator generator = { .size = size };
        char expected[SHA256_TEXT_SIZE];
        uint8_t digest[SHA256_SIZE];
        size_t n;
        FILE *age;

        assert_true(asprintf(&command, "age -d -i key%d >opened; echo $? >status; sha256sum <opened >digest",
                             identity) > 0);
        assert_int_equal(hasher_new(&generator.hasher), 0);
        age = pipe_open("w", command);
        assert_int_equal(age_encryptor_new(recipients, n_recipients, to_pipe, age, &encryptor), 0);
        while ((n = generate(&generator, buffer, sizeof(buffer))) > 0)
                assert_int_equal(age_encryptor_add(encryptor, buffer, n), 0);
        assert_int_equal(age_encryptor_finish(encryptor), 0);
        assert_int_equal(pclose(age), 0);

        assert_true(shell("grep -qx 0 status && rm opened"));
        assert_int_equal(hasher_finish(generator.hasher, digest), 0);
        hasher_free(generator.hasher);
        told = root_read(root, "digest");
        assert_int_equal(strncmp(told, strchr(digest_format(digest, expected), ':') + 1, 2 * SHA256_SIZE), 0);
}

static void ages_is_opened_by_us(uint64_t size, const char *options, int identity)
{
        _cleanup_(age_decryptor_freep) struct age_decryptor *decryptor = NULL;
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        _cleanup_identities_ identities = {};
        const struct age_opener opener = { .identities = &identities };
        struct generator generator = { .size = size };
        uint8_t expected[SHA256_SIZE], digest[SHA256_SIZE];
        _cleanup_free_ char *command = NULL, *plain = NULL;
        static uint8_t buffer[100000];
        char name[16];
        FILE *pipe;
        size_t n;

        assert_int_equal(hasher_new(&generator.hasher), 0);
        assert_true(asprintf(&plain, "%s/plain", root) > 0);
        pipe = fopen(plain, "w");
        assert_non_null(pipe);
        while ((n = generate(&generator, buffer, sizeof(buffer))) > 0)
                assert_int_equal(fwrite(buffer, 1, n, pipe), n);
        fclose(pipe);
        assert_int_equal(hasher_finish(generator.hasher, expected), 0);
        hasher_free(generator.hasher);

        (void)snprintf(name, sizeof(name), "key%d", identity);
        load_identity(name, &identities);
        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(age_decryptor_new(&opener, to_hasher, hasher, &decryptor), 0);
        assert_true(asprintf(&command, "age %s <plain", options) > 0);
        pipe = pipe_open("r", command);
        while ((n = fread(buffer, 1, sizeof(buffer), pipe)) > 0)
                assert_int_equal(age_decryptor_feed(decryptor, buffer, n, NULL), 0);
        assert_int_equal(pclose(pipe), 0);
        assert_int_equal(age_decryptor_finish(decryptor, NULL), 0);
        assert_int_equal(hasher_finish(hasher, digest), 0);
        assert_memory_equal(digest, expected, SHA256_SIZE);
        assert_true(shell("rm plain"));
}

static const uint64_t sizes[] = { 0,
                                  1,
                                  AGE_CHUNK_SIZE - 1,
                                  AGE_CHUNK_SIZE,
                                  AGE_CHUNK_SIZE + 1,
                                  2 * AGE_CHUNK_SIZE,
                                  7 * AGE_CHUNK_SIZE,
                                  7 * AGE_CHUNK_SIZE + 12345 };

static void age_opens_what_we_encrypt(void **state)
{
        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                ours_is_opened_by_age(sizes[i], 1, 0);
}

static void we_open_what_age_encrypts(void **state)
{
        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                ages_is_opened_by_us(sizes[i], "-R recipient0", 0);
}

static void each_of_several_recipients_opens_it(void **state)
{
        for (int i = 0; i < KEYS; i++) {
                ours_is_opened_by_age(1000, KEYS, i);
                ages_is_opened_by_us(1000, "-R recipient0 -R recipient1 -R recipient2", i);
        }
}

static void recipients_of_other_kinds_may_stand_beside_ours(void **state)
{
        assert_true(shell("ssh-keygen -q -t ed25519 -N '' -f ssh"));
        ages_is_opened_by_us(1000, "-R ssh.pub -R recipient1 -R ssh.pub", 1);
}

static void large_files_pass_both_ways(void **state)
{
        ours_is_opened_by_age(LARGE, 2, 1);
        ages_is_opened_by_us(LARGE + 1, "-R recipient0 -R recipient1", 1);
}

/* ---- the header's rules ---- */

/* In a template: a stanza for our key, its share and its body alone, and the right MAC. */
#define STANZA  "\001"
#define SHARE   "\002"
#define BODY    "\003"
#define MAC     "\004"
#define VERSION "age-encryption.org/v1\n"
#define END     "--- " MAC "\n"

#define LINE_48 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define LINE_64 LINE_48 "AAAAAAAAAAAAAAAA"

struct forge {
        struct age_file_key key;
        char share[BASE64_LENGTH(AGE_KEY_SIZE) + 1], body[BASE64_LENGTH(AGE_KEY_SIZE) + 1];
};

static void forge_begin(struct forge *forge)
{
        _cleanup_free_ char *header = NULL;
        size_t size;

        memset(&forge->key, 7, sizeof(forge->key));
        assert_int_equal(age_header_write(&forge->key, recipients, 1, &header, &size), 0);
        assert_int_equal(sscanf(header, VERSION "-> X25519 %43s\n%43s\n", forge->share, forge->body), 2);
}

/* The file of a template's header with a good payload, in the scratch directory. */
static void forge_file(const struct forge *forge, const char *template, uint8_t *ret, size_t *ret_size)
{
        _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *cipher = NULL;
        uint8_t nonce[16] = { 1 }, last[AGE_NONCE_SIZE] = { [11] = 1 }, key[AGE_KEY_SIZE],
                sealed[6 + AGE_TAG_SIZE];
        char *at = (char *)ret, mac_text[BASE64_LENGTH(AGE_MAC_SIZE) + 1];
        uint8_t mac[AGE_MAC_SIZE];

        for (; *template; template ++)
                switch (*template) {
                case '\001':
                        at += sprintf(at, "-> X25519 %s\n%s\n", forge->share, forge->body);
                        break;
                case '\002':
                        at = stpcpy(at, forge->share);
                        break;
                case '\003':
                        at = stpcpy(at, forge->body);
                        break;
                case '\004': {
                        const char *mark = at;

                        while (memcmp(mark, "---", 3) != 0)
                                mark--;
                        assert_int_equal(age_header_mac(&forge->key, ret, (size_t)(mark + 3 - (char *)ret),
                                                        mac),
                                         0);
                        at = stpcpy(at, base64_encode(mac, sizeof(mac), mac_text));
                        break;
                }
                default:
                        *at++ = *template;
                }

        assert_int_equal(age_derive((struct age_bytes){ &forge->key, AGE_FILE_KEY_SIZE },
                                    (struct age_bytes){ nonce, sizeof(nonce) }, "payload", key),
                         0);
        assert_int_equal(age_cipher_new(key, &cipher), 0);
        assert_int_equal(age_seal(cipher, last, (const uint8_t *)"secret", 6, sealed), 0);
        at = mempcpy(at, nonce, sizeof(nonce));
        at = mempcpy(at, sealed, sizeof(sealed));
        *ret_size = (size_t)(at - (char *)ret);
}

static int open_here(const uint8_t *data, size_t size)
{
        _cleanup_(age_decryptor_freep) struct age_decryptor *decryptor = NULL;
        _cleanup_identities_ identities = {};
        const struct age_opener opener = { .identities = &identities };
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        _cleanup_failure_ failure = {};
        int r;

        load_identity("key0", &identities);
        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(age_decryptor_new(&opener, to_hasher, hasher, &decryptor), 0);
        r = age_decryptor_feed(decryptor, data, size, &failure);
        return r < 0 ? r : age_decryptor_finish(decryptor, &failure);
}

static void judge(const char *const templates[], size_t count, bool good)
{
        struct forge forge;

        forge_begin(&forge);
        for (size_t i = 0; i < count; i++) {
                _cleanup_free_ char *path = NULL;
                uint8_t data[4096];
                bool here, there;
                size_t size;

                forge_file(&forge, templates[i], data, &size);
                assert_true(asprintf(&path, "%s/forged", root) > 0);
                assert_int_equal(file_write(path, data, size, 0600), 0);
                here = open_here(data, size) >= 0;
                there = shell("test \"$(age -d -i key0 forged)\" = secret");
                if (here != good || there != good)
                        fail_msg("case %zu: we %s it, age %s it:\n%.*s", i, here ? "take" : "refuse",
                                 there ? "takes" : "refuses", (int)size - 38, (const char *)data);
        }
}

static void headers_of_the_specification_are_taken(void **state)
{
        static const char *const templates[] = {
                VERSION STANZA END,
                VERSION STANZA STANZA END,
                VERSION "-> grease\n\n" STANZA END,
                VERSION "-> example.org/enigma !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ 0\nAAAA\n" STANZA END,
                VERSION STANZA "-> a\n" LINE_64 "\n\n" END,
                VERSION STANZA "-> a\n" LINE_64 "\n" LINE_64 "\nAA\n" END,
                VERSION "-> X25519x\nAAA\n" STANZA END,
                VERSION "-> x25519 " SHARE "\n" BODY "\n" STANZA END,
                VERSION "-> --- ---\n\n" STANZA END,
        };

        judge(templates, ELEMENTS(templates), true);
}

static void a_wrong_version_or_no_stanza_is_refused(void **state)
{
        static const char *const templates[] = {
                "age-encryption.org/v2\n" STANZA END,
                "age-encryption.org/v1\r\n" STANZA END,
                "age-encryption.org/v1 \n" STANZA END,
                "\n" VERSION STANZA END,
                " " VERSION STANZA END,
                VERSION "\n" STANZA END,
                VERSION END,
                STANZA END,
        };

        judge(templates, ELEMENTS(templates), false);
}

static void a_stanza_of_another_form_is_refused(void **state)
{
        static const char *const templates[] = {
                VERSION STANZA "->\n\n" END,       VERSION STANZA "-> \n\n" END,
                VERSION STANZA "->a\n\n" END,      VERSION STANZA " -> a\n\n" END,
                VERSION STANZA "-> a \n\n" END,    VERSION STANZA "->  a\n\n" END,
                VERSION STANZA "-> a  b\n\n" END,  VERSION STANZA "-> a\tb\n\n" END,
                VERSION STANZA "-> a\x7f\n\n" END, VERSION STANZA "-> \xc3\xa9\n\n" END,
                VERSION STANZA "-> a\r\n\n" END,   VERSION STANZA "- a\n\n" END,
                VERSION STANZA "--> a\n\n" END,    VERSION STANZA "a\n\n" END,
                VERSION STANZA "\n" END,
        };

        judge(templates, ELEMENTS(templates), false);
}

static void a_stanza_body_of_another_form_is_refused(void **state)
{
        static const char *const templates[] = {
                VERSION STANZA "-> a\n" END,
                VERSION STANZA "-> a\n" LINE_64 "\n" END,
                VERSION "-> a\n" LINE_64 "\n" STANZA END,
                VERSION STANZA "-> a\n" LINE_64 "A\n\n" END,
                VERSION STANZA "-> a\n" LINE_64 "AAAA\n\n" END,
                VERSION STANZA "-> a\nAAAA\nAAAA\n" END,
                VERSION STANZA "-> a\nAAAA\n\n" END,
                VERSION STANZA "-> a\nA\n" END,
                VERSION STANZA "-> a\nAB\n" END,
                VERSION STANZA "-> a\nAAB\n" END,
                VERSION STANZA "-> a\nAA==\n" END,
                VERSION STANZA "-> a\nAAA=\n" END,
                VERSION STANZA "-> a\nAA-_\n" END,
                VERSION STANZA "-> a\n AAAA\n" END,
                VERSION STANZA "-> a\nAAAA \n" END,
                VERSION STANZA "-> a\nAAAA\r\n" END,
                VERSION STANZA "-> a\n\r\n" END,
        };

        judge(templates, ELEMENTS(templates), false);
}

static void an_x25519_stanza_of_another_form_is_refused(void **state)
{
        static const char *const templates[] = {
                VERSION "-> X25519\n" BODY "\n" STANZA END,
                VERSION "-> X25519 " SHARE " 1\n" BODY "\n" STANZA END,
                VERSION "-> X25519 AAAA\n" BODY "\n" STANZA END,
                VERSION "-> X25519 " SHARE "A\n" BODY "\n" STANZA END,
                VERSION "-> X25519 " SHARE "=\n" BODY "\n" STANZA END,
                /* thirty-one bytes; a byte more; bits that no encoder sets */
                VERSION "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ\n" BODY "\n" STANZA END,
                VERSION "-> X25519 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAkA\n" BODY "\n" STANZA END,
                VERSION "-> X25519 CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n" BODY "\n" STANZA END,
                VERSION "-> X25519 " SHARE "\n\n" STANZA END,
                VERSION "-> X25519 " SHARE "\nAAAA\n" STANZA END,
                VERSION "-> X25519 " SHARE "\n" BODY "A\n" STANZA END,
                VERSION "-> X25519 " SHARE "\n" LINE_48 "\n" STANZA END,
                VERSION "-> X25519 " SHARE "\n" LINE_64 "\n\n" STANZA END,
                /* for nobody */
                VERSION "-> x25519 " SHARE "\n" BODY "\n" END,
                VERSION "-> X25519 " BODY "\n" SHARE "\n" END,
        };

        judge(templates, ELEMENTS(templates), false);
}

/* The points 0 and 1: with them every secret gives zero. */
static void a_share_of_low_order_is_refused(void **state)
{
        static const char *const templates[] = {
                VERSION "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" BODY "\n" STANZA END,
                VERSION "-> X25519 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" BODY "\n" STANZA END,
        };

        judge(templates, ELEMENTS(templates), false);
}

#define SCRYPT "-> scrypt ajMFur+EJLGaohv/dLRGnw 18\n8SHBz/ldWnjyGFQqfjat6uNBarWqqEMDS7W8X7+Xq5Q\n"

static void a_passphrase_is_refused(void **state)
{
        static const char *const templates[] = { VERSION SCRYPT END };

        judge(templates, ELEMENTS(templates), false);
}

/* The specification's rule for every implementation, of which age 1.1 reminds itself only when it is asked
 * for a passphrase. */
static void a_passphrase_beside_recipients_is_refused(void **state)
{
        static const char *const templates[] = { VERSION STANZA SCRYPT END, VERSION SCRYPT STANZA END,
                                                 VERSION SCRYPT SCRYPT END };
        struct forge forge;

        forge_begin(&forge);
        for (size_t i = 0; i < ELEMENTS(templates); i++) {
                uint8_t data[4096];
                size_t size;

                forge_file(&forge, templates[i], data, &size);
                assert_int_equal(open_here(data, size), -EBADMSG);
        }
}

static void a_mac_line_of_another_form_is_refused(void **state)
{
        static const char *const templates[] = {
                VERSION STANZA "---\n",
                VERSION STANZA "--- \n",
                VERSION STANZA "---" MAC "\n",
                VERSION STANZA "---  " MAC "\n",
                VERSION STANZA " --- " MAC "\n",
                VERSION STANZA "--- " MAC " \n",
                VERSION STANZA "--- " MAC "=\n",
                VERSION STANZA "--- " MAC "A\n",
                VERSION STANZA "--- " MAC "\r\n",
                VERSION STANZA "---- " MAC "\n",
                VERSION STANZA "--- AAAA\n",
                VERSION STANZA "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
                VERSION STANZA "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n",
                VERSION STANZA "--- " MAC "\n" END,
        };

        judge(templates, ELEMENTS(templates), false);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(age_opens_what_we_encrypt),
                cmocka_unit_test(we_open_what_age_encrypts),
                cmocka_unit_test(each_of_several_recipients_opens_it),
                cmocka_unit_test(recipients_of_other_kinds_may_stand_beside_ours),
                cmocka_unit_test(large_files_pass_both_ways),
                cmocka_unit_test(headers_of_the_specification_are_taken),
                cmocka_unit_test(a_wrong_version_or_no_stanza_is_refused),
                cmocka_unit_test(a_stanza_of_another_form_is_refused),
                cmocka_unit_test(a_stanza_body_of_another_form_is_refused),
                cmocka_unit_test(an_x25519_stanza_of_another_form_is_refused),
                cmocka_unit_test(a_share_of_low_order_is_refused),
                cmocka_unit_test(a_passphrase_is_refused),
                cmocka_unit_test(a_passphrase_beside_recipients_is_refused),
                cmocka_unit_test(a_mac_line_of_another_form_is_refused),
        };

        return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
