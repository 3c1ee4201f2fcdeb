/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/age-header.c"
#include "../../plugins/etcd-backup/age.c"

#include "fuzz.h"

/* The pair of the specification's "The X25519 recipient type"; the seeds are encrypted to it. */
#define IDENTITY "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

static int count(const void *data, size_t size, void *userdata)
{
        PROMISE(data && size > 0 && size <= AGE_CHUNK_SIZE);
        *(size_t *)userdata += size;
        return 0;
}

/* One file in pieces: what comes out is shorter than what went in, and what fails has one line. */
static void decrypt(const struct age_opener *opener, const uint8_t *data, size_t size, size_t piece)
{
        _cleanup_(age_decryptor_freep) struct age_decryptor *decryptor = NULL;
        _cleanup_failure_ failure = {};
        size_t given = 0;
        int r = 0;

        PROMISE(age_decryptor_new(opener, count, &given, &decryptor) == 0);
        for (size_t at = 0; at < size && r >= 0; at += piece)
                r = age_decryptor_feed(decryptor, data + at, size - at < piece ? size - at : piece, &failure);
        if (r >= 0)
                r = age_decryptor_finish(decryptor, &failure);
        PROMISE(given < size || size == 0);
        if (r < 0)
                promise_one_line(failure.message);
}

/* A fuzzer does not find a MAC: the header is also opened with its MAC made right. */
static void open_header(const struct age_opener *opener, const uint8_t *data, size_t size)
{
        static const struct age_file_key key = { "sixteen bytes..." };
        char mac_text[KEY_LENGTH + 1], *text;
        uint8_t mac[AGE_MAC_SIZE];
        struct age_file_key found;
        size_t n;

        text = malloc(size + 128);
        PROMISE(text);
        n = (size_t)(stpcpy(text, VERSION_LINE) - text);
        memcpy(text + n, data, size);
        n += size;
        memcpy(text + n, MAC_MARK, strlen(MAC_MARK));
        n += strlen(MAC_MARK);
        PROMISE(age_header_mac(&key, text, n, mac) == 0);
        n += (size_t)snprintf(text + n, 128 - strlen(VERSION_LINE), " %s\n",
                              base64_encode(mac, sizeof(mac), mac_text));
        if (age_header_open(text, n, &(struct age_opener){ .file_key = &key }, &found, NULL) >= 0)
                PROMISE(memcmp(&found, &key, sizeof(key)) == 0);
        (void)age_header_open(text, n, opener, &found, NULL);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct age_identities identities;
        const struct age_opener opener = { .identities = &identities };

        if (!identities.items)
                PROMISE(age_identities_parse(IDENTITY, &identities, NULL) == 0);
        if (size == 0)
                return 0;
        decrypt(&opener, data + 1, size - 1, (size_t)data[0] * 16 + 1);
        open_header(&opener, data + 1, size - 1);
        return 0;
}
