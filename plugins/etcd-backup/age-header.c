/* SPDX-License-Identifier: Apache-2.0 */

#include "age-header.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "age-crypto.h"
#include "base64.h"

#define VERSION_LINE "age-encryption.org/v1\n"
#define MAC_MARK     "---"
#define WRAP_INFO    "age-encryption.org/v1/X25519"
#define KEY_LENGTH   BASE64_LENGTH(AGE_KEY_SIZE)
#define WRAPPED_SIZE (AGE_FILE_KEY_SIZE + AGE_TAG_SIZE)
#define LINE_LENGTH  64 /* of a stanza's body; the line that ends it is shorter */
#define LINE_SIZE    (LINE_LENGTH * 3 / 4)

/* Each wrapping has a key of its own, so its nonce may be fixed. */
static const uint8_t wrap_nonce[AGE_NONCE_SIZE];

struct span {
        const char *text;
        size_t size;
};

struct stanza {
        struct span type, argument; /* the first and the second */
        unsigned arguments;
        uint8_t body[LINE_SIZE]; /* as much as one line holds; no stanza of ours has more */
        size_t body_size;
};

/* "wrap key" of the specification, of both sides. */
static int derive_wrap_key(EVP_PKEY *secret, const uint8_t peer[static AGE_KEY_SIZE],
                           const uint8_t share[static AGE_KEY_SIZE], const struct age_recipient *recipient,
                           EVP_CIPHER_CTX **ret)
{
        uint8_t salt[2 * AGE_KEY_SIZE], shared[AGE_KEY_SIZE], key[AGE_KEY_SIZE];
        int r;

        memcpy(salt, share, AGE_KEY_SIZE);
        memcpy(salt + AGE_KEY_SIZE, recipient->key, AGE_KEY_SIZE);
        r = age_x25519(secret, peer, shared);
        if (r < 0)
                return r;
        r = age_derive((struct age_bytes){ shared, sizeof(shared) }, (struct age_bytes){ salt, sizeof(salt) },
                       WRAP_INFO, key);
        if (r >= 0)
                r = age_cipher_new(key, ret);
        OPENSSL_cleanse(shared, sizeof(shared));
        OPENSSL_cleanse(key, sizeof(key));
        return r;
}

static int write_stanza(FILE *out, const struct age_file_key *key, const struct age_recipient *recipient)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *ephemeral = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *cipher = NULL;
        uint8_t share[AGE_KEY_SIZE], wrapped[WRAPPED_SIZE];
        char share_text[KEY_LENGTH + 1], wrapped_text[BASE64_LENGTH(WRAPPED_SIZE) + 1];
        size_t size = sizeof(share);
        int r;

        if (!ephemeral || EVP_PKEY_get_raw_public_key(ephemeral, share, &size) != 1)
                return -EIO;
        r = derive_wrap_key(ephemeral, recipient->key, share, recipient, &cipher);
        if (r < 0)
                return r;
        r = age_seal(cipher, wrap_nonce, key->key, AGE_FILE_KEY_SIZE, wrapped);
        if (r < 0)
                return r;
        fprintf(out, "-> X25519 %s\n%s\n", base64_encode(share, sizeof(share), share_text),
                base64_encode(wrapped, sizeof(wrapped), wrapped_text));
        return 0;
}

/* The MAC covers what stands there up to its mark, so it is written when that is in memory. */
static int write_mac(FILE *out, const struct age_file_key *key, char *const *text, const size_t *size)
{
        char mac_text[KEY_LENGTH + 1];
        uint8_t mac[AGE_MAC_SIZE];
        int r;

        fputs(MAC_MARK, out);
        if (fflush(out) != 0)
                return -ENOMEM;
        r = age_header_mac(key, *text, *size, mac);
        if (r < 0)
                return r;
        fprintf(out, " %s\n", base64_encode(mac, sizeof(mac), mac_text));
        return fflush(out) != 0 ? -ENOMEM : 0;
}

int age_header_write(const struct age_file_key *key, const struct age_recipient *recipients, size_t count,
                     char **ret_text, size_t *ret_size)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r = 0;

        if (!out)
                return -ENOMEM;
        fputs(VERSION_LINE, out);
        for (size_t i = 0; i < count && r >= 0; i++)
                r = write_stanza(out, key, &recipients[i]);
        if (r >= 0)
                r = write_mac(out, key, &text, &size);
        fclose(out); /* only now is text certain to be where it stays */
        if (r < 0)
                return r;

        *ret_text = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int malformed(struct failure *failure, const char *what)
{
        return failure_set(failure, -EBADMSG, "EncryptionDamaged", "its age header is broken: %s", what);
}

static bool span_is(struct span span, const char *text)
{
        return span.size == strlen(text) && memcmp(span.text, text, span.size) == 0;
}

static bool starts_with(struct span span, const char *text)
{
        return span.size >= strlen(text) && memcmp(span.text, text, strlen(text)) == 0;
}

/* The next line without its line feed, moving *rest behind it. */
static bool take_line(struct span *rest, struct span *ret)
{
        const char *end = memchr(rest->text, '\n', rest->size);

        if (!end)
                return false;
        *ret = (struct span){ rest->text, (size_t)(end - rest->text) };
        rest->size -= ret->size + 1;
        rest->text = end + 1;
        return true;
}

/* "-> " and arguments of visible characters, with one blank between two. */
static int parse_arguments(struct span line, struct stanza *stanza, struct failure *failure)
{
        line.text += strlen("-> ");
        line.size -= strlen("-> ");
        for (;;) {
                const char *blank = memchr(line.text, ' ', line.size);
                struct span argument = { line.text, blank ? (size_t)(blank - line.text) : line.size };

                if (argument.size == 0)
                        return malformed(failure, "a stanza has an empty argument");
                for (size_t i = 0; i < argument.size; i++)
                        if (argument.text[i] < 0x21 || argument.text[i] > 0x7e)
                                return malformed(failure, "a stanza's argument has an invalid character");
                if (stanza->arguments == 0)
                        stanza->type = argument;
                else if (stanza->arguments == 1)
                        stanza->argument = argument;
                stanza->arguments++;
                if (!blank)
                        return 0;
                line.size -= argument.size + 1;
                line.text = blank + 1;
        }
}

static int parse_body(struct span *rest, struct stanza *stanza, struct failure *failure)
{
        struct span line;

        do {
                uint8_t bytes[LINE_SIZE];

                if (!take_line(rest, &line) || line.size > LINE_LENGTH)
                        return malformed(failure, "a stanza's body has a line of wrong length");
                if (base64_decode(line.text, line.size, bytes) < 0)
                        return malformed(failure, "a stanza's body is not canonical base 64");
                if (stanza->body_size == 0)
                        memcpy(stanza->body, bytes, line.size * 3 / 4);
                stanza->body_size += line.size * 3 / 4;
        } while (line.size == LINE_LENGTH);

        return 0;
}

/* Returns 1 with a stanza, 0 when the MAC's line is next, or -EBADMSG. */
static int next_stanza(struct span *rest, struct stanza *ret, struct failure *failure)
{
        struct stanza stanza = {};
        struct span line;
        int r;

        if (starts_with(*rest, MAC_MARK))
                return 0;
        if (!take_line(rest, &line) || !starts_with(line, "-> "))
                return malformed(failure, "a line is neither a stanza's nor the MAC's");
        r = parse_arguments(line, &stanza, failure);
        if (r < 0)
                return r;
        r = parse_body(rest, &stanza, failure);
        if (r < 0)
                return r;
        *ret = stanza;
        return 1;
}

static int parse_mac(struct span rest, uint8_t ret[static AGE_MAC_SIZE], struct failure *failure)
{
        struct span line;

        if (!take_line(&rest, &line) || rest.size > 0 || !starts_with(line, MAC_MARK " ") ||
            line.size != strlen(MAC_MARK " ") + KEY_LENGTH ||
            base64_decode(line.text + strlen(MAC_MARK " "), KEY_LENGTH, ret) < 0)
                return malformed(failure, "the line of its MAC is not of the right form");
        return 0;
}

static int check_x25519(const struct stanza *stanza, struct failure *failure)
{
        uint8_t share[AGE_KEY_SIZE];

        if (stanza->arguments != 2 || stanza->argument.size != KEY_LENGTH ||
            base64_decode(stanza->argument.text, KEY_LENGTH, share) < 0)
                return malformed(failure, "an X25519 stanza does not have one share of 32 bytes");
        if (stanza->body_size != WRAPPED_SIZE)
                return malformed(failure, "an X25519 stanza's body is not of 32 bytes");
        return 0;
}

/* Everything that can be said without a key. */
static int check_form(struct span rest, uint8_t ret_mac[static AGE_MAC_SIZE], size_t *ret_signed,
                      struct failure *failure)
{
        const char *start = rest.text - strlen(VERSION_LINE);
        bool has_scrypt = false;
        struct stanza stanza;
        unsigned count = 0;
        int r;

        while ((r = next_stanza(&rest, &stanza, failure)) > 0) {
                count++;
                has_scrypt |= span_is(stanza.type, "scrypt");
                if (span_is(stanza.type, "X25519"))
                        r = check_x25519(&stanza, failure);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (count == 0)
                return malformed(failure, "it has no stanza");
        if (has_scrypt && count > 1)
                return malformed(failure, "a passphrase's stanza does not stand alone");
        *ret_signed = (size_t)(rest.text - start) + strlen(MAC_MARK);
        r = parse_mac(rest, ret_mac, failure);
        if (r < 0)
                return r;
        if (has_scrypt)
                return failure_set(failure, -EOPNOTSUPP, "EncryptionUnsupported",
                                   "it is protected by a passphrase; only X25519 recipients are known here");
        return 0;
}

/* Returns 1 when the stanza is for this identity, 0 when for another. */
static int unwrap(const struct stanza *stanza, const struct age_identity *identity, struct age_file_key *ret,
                  struct failure *failure)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *secret =
                EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, identity->secret, AGE_KEY_SIZE);
        _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *cipher = NULL;
        uint8_t share[AGE_KEY_SIZE], key[AGE_FILE_KEY_SIZE];
        int r;

        if (!secret)
                return -EIO;
        r = base64_decode(stanza->argument.text, stanza->argument.size, share);
        if (r < 0)
                return r;
        r = derive_wrap_key(secret, share, share, &identity->recipient, &cipher);
        if (r == -EBADMSG)
                return malformed(failure, "an X25519 stanza's share is a point of low order");
        if (r < 0)
                return r;
        r = age_open(cipher, wrap_nonce, stanza->body, WRAPPED_SIZE, key);
        if (r >= 0)
                memcpy(ret->key, key, sizeof(key));
        OPENSSL_cleanse(key, sizeof(key));
        return r == -EBADMSG ? 0 : r < 0 ? r : 1;
}

static int no_match(const struct age_identities *identities, struct failure *failure)
{
        char text[AGE_RECIPIENT_TEXT_SIZE];

        if (!identities || identities->count == 0)
                return failure_set(failure, -ENOKEY, "NotARecipient",
                                   "it is encrypted and no identity is given");
        return failure_set(failure, -ENOKEY, "NotARecipient", "it is not encrypted to %s%s",
                           age_recipient_format(&identities->items[0].recipient, text),
                           identities->count > 1 ? ", nor to the other identities given" : "");
}

static int find_file_key(struct span rest, const struct age_identities *identities, struct age_file_key *ret,
                         struct failure *failure)
{
        struct stanza stanza;
        int r;

        while ((r = next_stanza(&rest, &stanza, failure)) > 0)
                for (size_t i = 0; identities && i < identities->count; i++) {
                        if (!span_is(stanza.type, "X25519"))
                                break;
                        r = unwrap(&stanza, &identities->items[i], ret, failure);
                        if (r != 0)
                                return r < 0 ? r : 0;
                }
        return r < 0 ? r : no_match(identities, failure);
}

int age_header_open(const char *header, size_t size, const struct age_opener *opener,
                    struct age_file_key *ret, struct failure *failure)
{
        struct span rest = { header, size };
        uint8_t expected[AGE_MAC_SIZE], found[AGE_MAC_SIZE];
        struct age_file_key key;
        size_t n_signed = 0;
        int r = 0;

        if (!starts_with(rest, VERSION_LINE))
                return failure_set(failure, -EBADMSG, "EncryptionDamaged", "it is no binary file of age v1");
        rest.text += strlen(VERSION_LINE);
        rest.size -= strlen(VERSION_LINE);
        r = check_form(rest, found, &n_signed, failure);
        if (r < 0)
                return r;
        if (opener->file_key)
                key = *opener->file_key;
        else
                r = find_file_key(rest, opener->identities, &key, failure);
        if (r >= 0)
                r = age_header_mac(&key, header, n_signed, expected);
        if (r >= 0 && CRYPTO_memcmp(expected, found, AGE_MAC_SIZE) != 0)
                r = malformed(failure, "its MAC is wrong: it was changed");
        if (r >= 0)
                *ret = key;
        age_file_key_clear(&key);
        return r;
}
