/* SPDX-License-Identifier: Apache-2.0 */

#include "age.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>

#include "age-crypto.h"
#include "age-header.h"

#define PAYLOAD_NONCE_SIZE 16
#define SEALED_SIZE        (AGE_CHUNK_SIZE + AGE_TAG_SIZE)

/* The payload's key, and where in the payload we are (the specification's STREAM). */
struct stream {
        EVP_CIPHER_CTX *cipher;
        uint64_t chunk;
};

static void stream_clear(struct stream *stream)
{
        EVP_CIPHER_CTX_free(stream->cipher); /* cleanses its key */
        stream->cipher = NULL;
}

static int stream_begin(struct stream *stream, const struct age_file_key *file_key,
                        const uint8_t nonce[static PAYLOAD_NONCE_SIZE])
{
        uint8_t key[AGE_KEY_SIZE];
        int r;

        r = age_derive((struct age_bytes){ file_key->key, AGE_FILE_KEY_SIZE },
                       (struct age_bytes){ nonce, PAYLOAD_NONCE_SIZE }, "payload", key);
        if (r >= 0)
                r = age_cipher_new(key, &stream->cipher);
        OPENSSL_cleanse(key, sizeof(key));
        return r;
}

/* The nonce of the next chunk: eleven bytes of its number, big-endian, of which 2^64 chunks fill eight; and
 * whether it is the last. */
static void stream_next(struct stream *stream, bool last, uint8_t ret_nonce[static AGE_NONCE_SIZE])
{
        uint64_t chunk = stream->chunk++;

        memset(ret_nonce, 0, AGE_NONCE_SIZE);
        for (size_t i = AGE_NONCE_SIZE - 2; chunk > 0; i--, chunk >>= 8)
                ret_nonce[i] = (uint8_t)chunk;
        ret_nonce[AGE_NONCE_SIZE - 1] = last;
}

struct age_encryptor {
        struct age_file_key file_key;
        struct stream stream;
        age_sink_fn sink;
        void *userdata;
        size_t filled;
        uint8_t chunk[SEALED_SIZE];
};

struct age_encryptor *age_encryptor_free(struct age_encryptor *encryptor)
{
        if (!encryptor)
                return NULL;
        stream_clear(&encryptor->stream);
        OPENSSL_cleanse(encryptor, sizeof(*encryptor));
        free(encryptor);
        return NULL;
}

static int write_head(struct age_encryptor *encryptor, const struct age_recipient *recipients, size_t count)
{
        uint8_t nonce[PAYLOAD_NONCE_SIZE];
        _cleanup_free_ char *header = NULL;
        size_t size;
        int r;

        if (RAND_bytes(encryptor->file_key.key, AGE_FILE_KEY_SIZE) != 1 ||
            RAND_bytes(nonce, PAYLOAD_NONCE_SIZE) != 1)
                return -EIO;
        r = age_header_write(&encryptor->file_key, recipients, count, &header, &size);
        if (r < 0)
                return r;
        r = stream_begin(&encryptor->stream, &encryptor->file_key, nonce);
        if (r < 0)
                return r;
        r = encryptor->sink(header, size, encryptor->userdata);
        if (r < 0)
                return r;
        return encryptor->sink(nonce, sizeof(nonce), encryptor->userdata);
}

int age_encryptor_new(const struct age_recipient *recipients, size_t count, age_sink_fn sink, void *userdata,
                      struct age_encryptor **ret)
{
        _cleanup_(age_encryptor_freep) struct age_encryptor *encryptor = NULL;
        int r;

        if (count == 0)
                return -EINVAL;
        encryptor = calloc(1, sizeof(*encryptor));
        if (!encryptor)
                return -ENOMEM;
        encryptor->sink = sink;
        encryptor->userdata = userdata;
        r = write_head(encryptor, recipients, count);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(encryptor);
        return 0;
}

void age_encryptor_file_key(const struct age_encryptor *encryptor, struct age_file_key *ret)
{
        *ret = encryptor->file_key;
}

static int flush(struct age_encryptor *encryptor, bool last)
{
        uint8_t nonce[AGE_NONCE_SIZE];
        size_t size = encryptor->filled;
        int r;

        stream_next(&encryptor->stream, last, nonce);
        r = age_seal(encryptor->stream.cipher, nonce, encryptor->chunk, size, encryptor->chunk);
        if (r < 0)
                return r;
        encryptor->filled = 0;
        return encryptor->sink(encryptor->chunk, size + AGE_TAG_SIZE, encryptor->userdata);
}

/* A full chunk waits for what follows, for the last is marked and only an empty payload has an empty one. */
int age_encryptor_add(struct age_encryptor *encryptor, const void *data, size_t size)
{
        const uint8_t *at = data;
        int r;

        while (size > 0) {
                size_t n = AGE_CHUNK_SIZE - encryptor->filled;

                if (n == 0) {
                        r = flush(encryptor, false);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (n > size)
                        n = size;
                memcpy(encryptor->chunk + encryptor->filled, at, n);
                encryptor->filled += n;
                at += n;
                size -= n;
        }

        return 0;
}

int age_encryptor_finish(struct age_encryptor *encryptor)
{
        return flush(encryptor, true);
}

enum decryptor_state { IN_HEADER, IN_NONCE, IN_PAYLOAD };

struct age_decryptor {
        const struct age_opener *opener;
        struct age_file_key file_key;
        struct stream stream;
        age_sink_fn sink;
        void *userdata;

        enum decryptor_state state;
        size_t filled;
        size_t line; /* where in the header the line begins that is being read */
        uint8_t buffer[SEALED_SIZE];
};
_Static_assert(AGE_HEADER_SIZE_MAX <= SEALED_SIZE, "header and chunks share a buffer");

struct age_decryptor *age_decryptor_free(struct age_decryptor *decryptor)
{
        if (!decryptor)
                return NULL;
        stream_clear(&decryptor->stream);
        OPENSSL_cleanse(decryptor, sizeof(*decryptor));
        free(decryptor);
        return NULL;
}

int age_decryptor_new(const struct age_opener *opener, age_sink_fn sink, void *userdata,
                      struct age_decryptor **ret)
{
        struct age_decryptor *decryptor = calloc(1, sizeof(*decryptor));

        if (!decryptor)
                return -ENOMEM;
        decryptor->opener = opener;
        decryptor->sink = sink;
        decryptor->userdata = userdata;
        *ret = decryptor;
        return 0;
}

static int damaged(struct failure *failure, const char *what)
{
        return failure_set(failure, -EBADMSG, "EncryptionDamaged", "the encrypted bytes are damaged: %s",
                           what);
}

/* The header ends with the first line that begins with the MAC's mark: in no other line can "-" come first
 * but before ">". */
static int feed_header(struct age_decryptor *decryptor, uint8_t byte, struct failure *failure)
{
        const uint8_t *line = decryptor->buffer + decryptor->line;
        int r;

        if (decryptor->filled == AGE_HEADER_SIZE_MAX)
                return damaged(failure, "they do not begin with a header of age v1");
        decryptor->buffer[decryptor->filled++] = byte;
        if (byte != '\n')
                return 0;
        decryptor->line = decryptor->filled;
        if (decryptor->buffer + decryptor->filled - line < 4 || memcmp(line, "---", 3) != 0)
                return 0;

        r = age_header_open((const char *)decryptor->buffer, decryptor->filled, decryptor->opener,
                            &decryptor->file_key, failure);
        if (r < 0)
                return r;
        decryptor->filled = 0;
        decryptor->state = IN_NONCE;
        return 0;
}

static int feed_nonce(struct age_decryptor *decryptor, uint8_t byte)
{
        int r;

        decryptor->buffer[decryptor->filled++] = byte;
        if (decryptor->filled < PAYLOAD_NONCE_SIZE)
                return 0;
        r = stream_begin(&decryptor->stream, &decryptor->file_key, decryptor->buffer);
        age_file_key_clear(&decryptor->file_key);
        decryptor->filled = 0;
        decryptor->state = IN_PAYLOAD;
        return r;
}

static int open_chunk(struct age_decryptor *decryptor, bool last, struct failure *failure)
{
        size_t size = decryptor->filled;
        uint8_t nonce[AGE_NONCE_SIZE];
        bool first = decryptor->stream.chunk == 0;
        int r;

        stream_next(&decryptor->stream, last, nonce);
        r = age_open(decryptor->stream.cipher, nonce, decryptor->buffer, size, decryptor->buffer);
        if (r == -EBADMSG)
                return damaged(failure,
                               last ? "the end is changed or cut off" : "a part is changed or moved");
        if (r < 0)
                return r;
        decryptor->filled = 0;
        size -= AGE_TAG_SIZE;
        if (size == 0)
                return first ? 0 : damaged(failure, "the last part is empty");
        return decryptor->sink(decryptor->buffer, size, decryptor->userdata);
}

/* A full chunk waits for what follows, which tells whether it may be the last. */
static int feed_payload(struct age_decryptor *decryptor, const uint8_t **at, const uint8_t *end,
                        struct failure *failure)
{
        size_t n = SEALED_SIZE - decryptor->filled;

        if (n == 0)
                return open_chunk(decryptor, false, failure);
        if (n > (size_t)(end - *at))
                n = (size_t)(end - *at);
        memcpy(decryptor->buffer + decryptor->filled, *at, n);
        decryptor->filled += n;
        *at += n;
        return 0;
}

int age_decryptor_feed(struct age_decryptor *decryptor, const void *data, size_t size,
                       struct failure *failure)
{
        const uint8_t *at = data, *end = at + size;
        int r = 0;

        while (at < end && r >= 0)
                switch (decryptor->state) {
                case IN_HEADER:
                        r = feed_header(decryptor, *at++, failure);
                        break;
                case IN_NONCE:
                        r = feed_nonce(decryptor, *at++);
                        break;
                case IN_PAYLOAD:
                        r = feed_payload(decryptor, &at, end, failure);
                        break;
                }

        return r;
}

int age_decryptor_finish(struct age_decryptor *decryptor, struct failure *failure)
{
        if (decryptor->state != IN_PAYLOAD)
                return damaged(failure, "they end before their payload");
        return open_chunk(decryptor, true, failure);
}
