/* SPDX-License-Identifier: Apache-2.0 */

#include "age-crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <string.h>

DEFINE_CLEANUP(EVP_KDF *, EVP_KDF_free)
DEFINE_CLEANUP(EVP_KDF_CTX *, EVP_KDF_CTX_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

int age_x25519(EVP_PKEY *secret, const uint8_t peer[static AGE_KEY_SIZE], uint8_t ret[static AGE_KEY_SIZE])
{
        _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(secret, NULL);
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *other =
                EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, AGE_KEY_SIZE);
        size_t size = AGE_KEY_SIZE;

        if (!context || !other || EVP_PKEY_derive_init(context) != 1 ||
            EVP_PKEY_derive_set_peer(context, other) != 1)
                return -EIO;
        /* OpenSSL refuses the all-zero result itself (crypto/ec/curve25519.c, ossl_x25519), and there is no
         * other way in which this fails. */
        if (EVP_PKEY_derive(context, ret, &size) != 1) {
                ERR_clear_error();
                return -EBADMSG;
        }
        return 0;
}

int age_derive(struct age_bytes secret, struct age_bytes salt, const char *info,
               uint8_t ret[static AGE_KEY_SIZE])
{
        _cleanup_(EVP_KDF_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
        _cleanup_(EVP_KDF_CTX_freep) EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
        OSSL_PARAM parameters[5], *next = parameters;

        if (!context)
                return -EIO;
        *next++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
        *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret.data, secret.size);
        *next++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, strlen(info));
        if (salt.size > 0)
                *next++ =
                        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt.data, salt.size);
        *next = OSSL_PARAM_construct_end();
        return EVP_KDF_derive(context, ret, AGE_KEY_SIZE, parameters) == 1 ? 0 : -EIO;
}

int age_header_mac(const struct age_file_key *key, const void *header, size_t size,
                   uint8_t ret[static AGE_MAC_SIZE])
{
        uint8_t mac_key[AGE_KEY_SIZE];
        const void *made;
        int r;

        r = age_derive((struct age_bytes){ key->key, AGE_FILE_KEY_SIZE }, (struct age_bytes){}, "header",
                       mac_key);
        if (r < 0)
                return r;
        made = HMAC(EVP_sha256(), mac_key, AGE_KEY_SIZE, header, size, ret, NULL);
        OPENSSL_cleanse(mac_key, sizeof(mac_key));
        return made ? 0 : -EIO;
}

int age_cipher_new(const uint8_t key[static AGE_KEY_SIZE], EVP_CIPHER_CTX **ret)
{
        _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();

        if (!cipher || EVP_CipherInit_ex(cipher, EVP_chacha20_poly1305(), NULL, key, NULL, 1) != 1)
                return -EIO;
        *ret = TAKE_PTR(cipher);
        return 0;
}

int age_seal(EVP_CIPHER_CTX *cipher, const uint8_t nonce[static AGE_NONCE_SIZE], const uint8_t *data,
             size_t size, uint8_t *ret_sealed)
{
        int n, rest;

        if (EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
            EVP_EncryptUpdate(cipher, ret_sealed, &n, data, (int)size) != 1 ||
            EVP_EncryptFinal_ex(cipher, ret_sealed + n, &rest) != 1 ||
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, AGE_TAG_SIZE, ret_sealed + size) != 1)
                return -EIO;
        return 0;
}

int age_open(EVP_CIPHER_CTX *cipher, const uint8_t nonce[static AGE_NONCE_SIZE], const uint8_t *sealed,
             size_t size, uint8_t *ret_data)
{
        uint8_t tag[AGE_TAG_SIZE];
        int n, rest;

        if (size < AGE_TAG_SIZE)
                return -EBADMSG;
        size -= AGE_TAG_SIZE;
        memcpy(tag, sealed + size, AGE_TAG_SIZE);
        if (EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, nonce) != 1 ||
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, AGE_TAG_SIZE, tag) != 1 ||
            EVP_DecryptUpdate(cipher, ret_data, &n, sealed, (int)size) != 1)
                return -EIO;
        return EVP_DecryptFinal_ex(cipher, ret_data + n, &rest) == 1 ? 0 : -EBADMSG;
}
