/* SPDX-License-Identifier: Apache-2.0 */

#include "sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SIZE 8 /* the beginning of the time */

char *sigv4_time(uint64_t realtime_usec, char buffer[static SIGV4_TIME_SIZE])
{
        time_t seconds = (time_t)(realtime_usec / 1000000);
        struct tm tm;

        gmtime_r(&seconds, &tm);
        if (strftime(buffer, SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
                buffer[0] = '\0';
        return buffer;
}

char *sigv4_hex(const uint8_t digest[static SHA256_SIZE], char buffer[static SIGV4_HEX_SIZE])
{
        for (size_t i = 0; i < SHA256_SIZE; i++)
                (void)snprintf(buffer + 2 * i, 3, "%02x", digest[i]);
        return buffer;
}

static bool is_unreserved(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == '~';
}

char *sigv4_encode(const char *text, bool slash)
{
        char *encoded = malloc(3 * strlen(text) + 1), *at = encoded;

        if (!encoded)
                return NULL;
        for (; *text; text++) {
                if (is_unreserved(*text) || (*text == '/' && !slash))
                        *at++ = *text;
                else
                        at += snprintf(at, 4, "%%%02X", (unsigned char)*text);
        }
        *at = '\0';
        return encoded;
}

char *sigv4_query(const struct sigv4_field *query)
{
        size_t size;
        char *text = NULL;
        FILE *out = open_memstream(&text, &size);
        bool failed = false;

        if (!out)
                return NULL;
        for (size_t i = 0; query && query[i].name; i++) {
                _cleanup_free_ char *name = sigv4_encode(query[i].name, true),
                                    *value = sigv4_encode(query[i].value, true);

                failed |= !name || !value;
                fprintf(out, "%s%s=%s", i > 0 ? "&" : "", name ?: "", value ?: "");
        }
        failed |= ferror(out);
        if (fclose(out) != 0 || failed) {
                free(text);
                return NULL;
        }
        return text;
}

static void write_signed_names(FILE *out, const struct sigv4_field *headers)
{
        for (size_t i = 0; headers[i].name; i++)
                fprintf(out, "%s%s", i > 0 ? ";" : "", headers[i].name);
}

char *sigv4_canonical_request(const struct sigv4_request *request)
{
        _cleanup_free_ char *query = sigv4_query(request->query);
        char *text = NULL;
        size_t size;
        FILE *out = query ? open_memstream(&text, &size) : NULL;

        if (!out)
                return NULL;
        fprintf(out, "%s\n%s\n%s\n", request->method, request->path, query);
        for (size_t i = 0; request->headers[i].name; i++)
                fprintf(out, "%s:%s\n", request->headers[i].name, request->headers[i].value);
        fputc('\n', out);
        write_signed_names(out, request->headers);
        fprintf(out, "\n%s", request->payload_sha256);
        if (ferror(out) | fclose(out)) {
                free(text);
                return NULL;
        }
        return text;
}

static int sha256(const char *text, uint8_t ret[static SHA256_SIZE])
{
        return EVP_Digest(text, strlen(text), ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

static int hmac(const void *key, size_t key_size, const char *text, size_t text_size,
                uint8_t ret[static SHA256_SIZE])
{
        unsigned size = SHA256_SIZE;

        return HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, text_size, ret, &size)
                       ? 0
                       : -EIO;
}

/* HMAC over date, region, service and "aws4_request", each with the one before as its key. */
static int derive_key(const struct sigv4_request *request, uint8_t ret[static SHA256_SIZE])
{
        const char *const texts[] = { request->region, request->service, "aws4_request" };
        _cleanup_free_ char *first = NULL;
        int r;

        if (asprintf(&first, "AWS4%s", request->secret_key) < 0)
                return -ENOMEM;
        r = hmac(first, strlen(first), request->time, DATE_SIZE, ret);
        OPENSSL_cleanse(first, strlen(first));
        for (size_t i = 0; i < ELEMENTS(texts) && r >= 0; i++)
                r = hmac(ret, SHA256_SIZE, texts[i], strlen(texts[i]), ret);
        return r;
}

static int sign(const struct sigv4_request *request, const char *scope, char ret[static SIGV4_HEX_SIZE])
{
        _cleanup_free_ char *canonical = sigv4_canonical_request(request), *text = NULL;
        uint8_t digest[SHA256_SIZE], key[SHA256_SIZE];
        char hex[SIGV4_HEX_SIZE];
        int r;

        if (!canonical)
                return -ENOMEM;
        r = sha256(canonical, digest);
        if (r < 0)
                return r;
        if (asprintf(&text, ALGORITHM "\n%s\n%s\n%s", request->time, scope, sigv4_hex(digest, hex)) < 0)
                return -ENOMEM;
        r = derive_key(request, key);
        if (r >= 0)
                r = hmac(key, sizeof(key), text, strlen(text), digest);
        OPENSSL_cleanse(key, sizeof(key));
        if (r >= 0)
                sigv4_hex(digest, ret);
        return r;
}

int sigv4_authorize(const struct sigv4_request *request, char **ret)
{
        _cleanup_free_ char *scope = NULL;
        char signature[SIGV4_HEX_SIZE];
        char *text = NULL;
        size_t size;
        FILE *out;
        int r;

        if (asprintf(&scope, "%.*s/%s/%s/aws4_request", DATE_SIZE, request->time, request->region,
                     request->service) < 0)
                return -ENOMEM;
        r = sign(request, scope, signature);
        if (r < 0)
                return r;

        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        fprintf(out, ALGORITHM " Credential=%s/%s, SignedHeaders=", request->access_key, scope);
        write_signed_names(out, request->headers);
        fprintf(out, ", Signature=%s", signature);
        if (ferror(out) | fclose(out)) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}
