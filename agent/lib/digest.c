/* SPDX-License-Identifier: Apache-2.0 */

#include "digest.h"

#include <openssl/evp.h>
#include <string.h>

struct hasher {
        EVP_MD_CTX *context;
};

struct hasher *hasher_free(struct hasher *hasher)
{
        if (!hasher)
                return NULL;
        EVP_MD_CTX_free(hasher->context);
        free(hasher);
        return NULL;
}

int hasher_new(struct hasher **ret)
{
        _cleanup_(hasher_freep) struct hasher *hasher = calloc(1, sizeof(*hasher));

        if (!hasher)
                return -ENOMEM;
        hasher->context = EVP_MD_CTX_new();
        if (!hasher->context)
                return -ENOMEM;
        if (EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) != 1)
                return -EIO;
        *ret = TAKE_PTR(hasher);
        return 0;
}

int hasher_add(struct hasher *hasher, const void *data, size_t size)
{
        return EVP_DigestUpdate(hasher->context, data, size) == 1 ? 0 : -EIO;
}

int hasher_peek(const struct hasher *hasher, uint8_t ret_digest[static SHA256_SIZE])
{
        _cleanup_(hasher_freep) struct hasher *copy = NULL;
        int r;

        r = hasher_new(&copy);
        if (r < 0)
                return r;
        if (EVP_MD_CTX_copy_ex(copy->context, hasher->context) != 1)
                return -EIO;
        return hasher_finish(copy, ret_digest);
}

int hasher_finish(struct hasher *hasher, uint8_t ret_digest[static SHA256_SIZE])
{
        uint8_t digest[SHA256_SIZE];

        if (EVP_DigestFinal_ex(hasher->context, digest, NULL) != 1)
                return -EIO;
        memcpy(ret_digest, digest, sizeof(digest));
        return 0;
}
