/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "digest.h"
#include "sha256.h"

char *digest_format(const uint8_t digest[static SHA256_SIZE], char buffer[static SHA256_TEXT_SIZE])
{
        char *at = stpcpy(buffer, "sha256:");

        for (size_t i = 0; i < SHA256_SIZE; i++) {
                *at++ = "0123456789abcdef"[digest[i] >> 4];
                *at++ = "0123456789abcdef"[digest[i] & 15];
        }
        *at = '\0';
        return buffer;
}

int digest_text(const void *data, size_t size, char ret_text[static SHA256_TEXT_SIZE])
{
        uint8_t digest[SHA256_SIZE];

        sha256(data, size, digest);
        digest_format(digest, ret_text);
        return 0;
}
