/* SPDX-License-Identifier: Apache-2.0 */

#include "authenticity.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "json.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void authentication_key_clear(struct authentication_key *key)
{
        if (key->data)
                OPENSSL_cleanse(key->data, key->size);
        free(key->data);
        *key = (struct authentication_key){};
}

int authentication_key_load(const char *path, struct authentication_key *ret, struct failure *failure)
{
        _cleanup_authentication_key_ key = {};
        int r;

        r = file_read_secret(path, AUTHENTICATION_KEY_MAX, &key.data, &key.size, failure);
        if (r < 0)
                return r;
        if (key.size < AUTHENTICATION_KEY_MIN)
                return failure_set(
                        failure, -EINVAL, "AuthenticationKeyInvalid",
                        "%s holds %zu bytes; a key has at least %d, as from: openssl rand -base64 32", path,
                        key.size, AUTHENTICATION_KEY_MIN);
        *ret = key;
        key = (struct authentication_key){};
        return 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int write_value(FILE *out, json_object *value);

static int write_string(FILE *out, const char *text)
{
        _cleanup_json_ json_object *string = json_object_new_string(text);

        if (!string)
                return -ENOMEM;
        fputs(json_object_to_json_string_ext(string, PLAIN), out);
        return 0;
}

static int write_object(FILE *out, json_object *object, const char *without)
{
        _cleanup_free_ const char **names =
                calloc((size_t)json_object_object_length(object) + 1, sizeof(*names));
        size_t count = 0;
        int r = 0;

        if (!names)
                return -ENOMEM;
        json_object_object_foreach (object, name, value) {
                (void)value;
                if (!without || strcmp(name, without) != 0)
                        names[count++] = name;
        }
        qsort(names, count, sizeof(*names), by_name);

        fputc('{', out);
        for (size_t i = 0; i < count && r >= 0; i++) {
                if (i > 0)
                        fputc(',', out);
                r = write_string(out, names[i]);
                fputc(':', out);
                if (r >= 0)
                        r = write_value(out, json_object_object_get(object, names[i]));
        }
        fputc('}', out);
        return r;
}

static int write_array(FILE *out, json_object *array)
{
        int r = 0;

        fputc('[', out);
        for (size_t i = 0; i < json_object_array_length(array) && r >= 0; i++) {
                if (i > 0)
                        fputc(',', out);
                r = write_value(out, json_object_array_get_idx(array, i));
        }
        fputc(']', out);
        return r;
}

/* As deep as the parser allowed. */
static int write_value(FILE *out, json_object *value)
{
        if (json_object_is_type(value, json_type_object))
                return write_object(out, value, NULL);
        if (json_object_is_type(value, json_type_array))
                return write_array(out, value);
        fputs(json_object_to_json_string_ext(value, PLAIN), out);
        return 0;
}

int authenticity_canonical(json_object *manifest, char **ret_text)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return -ENOMEM;
        r = write_object(out, manifest, "hmac");
        if (fclose(out) != 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret_text = TAKE_PTR(text);
        return 0;
}

int authenticity_mac(const struct authentication_key *key, const char *canonical,
                     uint8_t ret_mac[static SHA256_SIZE])
{
        uint8_t mac[SHA256_SIZE];

        if (!HMAC(EVP_sha256(), key->data, (int)key->size, (const uint8_t *)canonical, strlen(canonical), mac,
                  NULL))
                return -EIO;
        memcpy(ret_mac, mac, sizeof(mac));
        return 0;
}
