/* SPDX-License-Identifier: Apache-2.0 */

#include "age-key.h"

#include <openssl/crypto.h>
#include <string.h>

#include "age-crypto.h"
#include "files.h"

#define RECIPIENT_PREFIX "age"
#define IDENTITY_PREFIX  "age-secret-key-"
#define KEY_FILE_MAX     (64 * 1024)

void age_file_key_clear(struct age_file_key *key)
{
        OPENSSL_cleanse(key, sizeof(*key));
}

static void cleanse_and_free(void *data, size_t size)
{
        if (data)
                OPENSSL_cleanse(data, size);
        free(data);
}

void age_identities_clear(struct age_identities *identities)
{
        cleanse_and_free(identities->items, AGE_IDENTITIES_MAX * sizeof(*identities->items));
        *identities = (struct age_identities){};
}

int age_recipient_parse(const char *text, struct age_recipient *ret)
{
        /* Any secret finds out a point of low order: all are multiples of eight (RFC 7748, 5). */
        static const uint8_t any[AGE_KEY_SIZE] = { 1 };
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *secret = NULL;
        struct age_recipient recipient;
        uint8_t shared[AGE_KEY_SIZE];

        if (bech32_decode(RECIPIENT_PREFIX, text, recipient.key, AGE_KEY_SIZE) < 0)
                return -EINVAL;
        secret = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, any, AGE_KEY_SIZE);
        if (!secret)
                return -EIO;
        if (age_x25519(secret, recipient.key, shared) < 0)
                return -EINVAL;
        *ret = recipient;
        return 0;
}

char *age_recipient_format(const struct age_recipient *recipient, char buffer[static AGE_RECIPIENT_TEXT_SIZE])
{
        return bech32_encode(RECIPIENT_PREFIX, recipient->key, AGE_KEY_SIZE, buffer);
}

int age_identity_parse(const char *text, struct age_identity *ret)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *secret = NULL;
        struct age_identity identity;
        size_t size = AGE_KEY_SIZE;
        int r;

        if (bech32_decode(IDENTITY_PREFIX, text, identity.secret, AGE_KEY_SIZE) < 0)
                return -EINVAL;
        secret = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, identity.secret, AGE_KEY_SIZE);
        r = secret && EVP_PKEY_get_raw_public_key(secret, identity.recipient.key, &size) == 1 ? 0 : -EIO;
        if (r >= 0)
                *ret = identity;
        OPENSSL_cleanse(&identity, sizeof(identity));
        return r;
}

/* Takes the text's lines apart; it is the caller's own copy. */
static int parse_lines(char *text, struct age_identities *identities, struct failure *failure)
{
        unsigned number = 0;
        char *line;

        while ((line = strsep(&text, "\n"))) {
                size_t size = strlen(line);

                number++;
                if (size > 0 && line[size - 1] == '\r')
                        line[size - 1] = '\0';
                if (*line == '\0' || *line == '#')
                        continue;
                if (identities->count == AGE_IDENTITIES_MAX)
                        return failure_set(failure, -EINVAL, "IdentityInvalid",
                                           "there are more than %d identities", AGE_IDENTITIES_MAX);
                if (age_identity_parse(line, &identities->items[identities->count]) < 0)
                        return failure_set(failure, -EINVAL, "IdentityInvalid",
                                           "line %u is no X25519 identity of age (AGE-SECRET-KEY-1…)",
                                           number);
                identities->count++;
        }

        if (identities->count == 0)
                return failure_set(failure, -EINVAL, "IdentityInvalid",
                                   "there is no identity of age (AGE-SECRET-KEY-1…)");
        return 0;
}

int age_identities_parse(const char *text, struct age_identities *ret, struct failure *failure)
{
        _cleanup_identities_ identities = {};
        size_t size = strlen(text);
        char *copy;
        int r;

        identities.items = calloc(AGE_IDENTITIES_MAX, sizeof(*identities.items));
        copy = identities.items ? strdup(text) : NULL;
        if (!copy)
                return -ENOMEM;
        r = parse_lines(copy, &identities, failure);
        cleanse_and_free(copy, size);
        if (r < 0)
                return r;

        *ret = identities;
        identities = (struct age_identities){};
        return 0;
}

int age_identities_load(const char *path, struct age_identities *ret, struct failure *failure)
{
        char *text;
        size_t size;
        int r;

        r = file_read_secret(path, KEY_FILE_MAX, &text, &size, failure);
        if (r < 0)
                return r;
        r = age_identities_parse(text, ret, failure);
        if (r < 0)
                failure_prefix(failure, "%s", path);
        cleanse_and_free(text, size);
        return r;
}
