/* SPDX-License-Identifier: Apache-2.0 */

#include "credentials.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "files.h"

#define FILE_SIZE_MAX        1024
#define CREDENTIALS_SIZE_MAX 512

char *credentials_free(char *credentials)
{
        if (credentials)
                explicit_bzero(credentials, strlen(credentials));
        free(credentials);
        return NULL;
}

int credentials_parse(const char *text, size_t size, char **ret)
{
        size_t length = size;

        if (length > 0 && text[length - 1] == '\n')
                length--;
        if (length > 0 && text[length - 1] == '\r')
                length--;
        if (length == 0 || length > CREDENTIALS_SIZE_MAX || text[0] == ':' || !memchr(text, ':', length))
                return -EINVAL;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
                        return -EINVAL;
        *ret = strndup(text, length);
        return *ret ? 0 : -ENOMEM;
}

int credentials_load(const char *root, const char *path, char **ret, struct failure *failure)
{
        _cleanup_free_ char *below = path_under(root, path);
        char *text;
        size_t size;
        int r;

        if (!below)
                return -ENOMEM;
        r = file_read_secret(below, FILE_SIZE_MAX, &text, &size, failure);
        if (r < 0)
                return r;
        r = credentials_parse(text, size, ret);
        explicit_bzero(text, size);
        free(text);
        if (r == -EINVAL)
                return failure_set(failure, r, "CredentialsRefused",
                                   "%s is not one line USER:PASSWORD of at most %d characters", below,
                                   CREDENTIALS_SIZE_MAX);
        return r;
}

static bool is_unreserved(unsigned char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == '~';
}

/* The first colon ends the user; a later one belongs to the password and is encoded. */
static char *encode(const char *credentials)
{
        char *encoded = malloc(3 * strlen(credentials) + 1), *at = encoded;
        bool user = true;

        if (!encoded)
                return NULL;
        for (const char *c = credentials; *c; c++) {
                if (is_unreserved((unsigned char)*c) || (user && *c == ':'))
                        *at++ = *c;
                else
                        at += sprintf(at, "%%%02X", (unsigned char)*c);
                user &= *c != ':';
        }
        *at = '\0';
        return encoded;
}

char *credentials_in_url(const char *url, const char *credentials)
{
        const char *host = strstr(url, "://") + 3;
        _cleanup_credentials_ *encoded = NULL;
        char *joined;

        if (!credentials)
                return strdup(url);
        encoded = encode(credentials);
        if (!encoded || asprintf(&joined, "%.*s%s@%s", (int)(host - url), url, encoded, host) < 0)
                return NULL;
        return joined;
}

char *credentials_header(const char *credentials)
{
        size_t size = strlen(credentials), encoded = (size + 2) / 3 * 4;
        char *header = malloc(strlen("Basic ") + encoded + 1);

        if (!header)
                return NULL;
        EVP_EncodeBlock((unsigned char *)stpcpy(header, "Basic "), (const unsigned char *)credentials,
                        (int)size);
        return header;
}

char *credentials_hide(const char *text)
{
        char *copy = malloc(strlen(text) * 2 + 1), *to = copy;

        if (!copy)
                return NULL;
        while (*text) {
                const char *secret = text + 3;

                if (strncmp(text, "://", 3) == 0 && secret[strcspn(secret, "@/\" \t\n")] == '@') {
                        to = stpcpy(to, "://***");
                        text = strchr(secret, '@');
                } else {
                        *to++ = *text++;
                }
        }
        *to = '\0';
        return copy;
}
