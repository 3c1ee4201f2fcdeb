/* SPDX-License-Identifier: Apache-2.0 */

#include "manifest-seal.h"

#include <string.h>

#include "json.h"
#include "manifest.h"

#define FORMAT "age-encryption.org/v1"

static void strings_clear(struct config_strings *strings)
{
        for (size_t i = 0; i < strings->count; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (struct config_strings){};
}

void manifest_seal_clear(struct manifest_seal *seal)
{
        strings_clear(&seal->recipients);
        free(seal->canonical);
        seal->canonical = NULL;
}

static int strings_add(struct config_strings *strings, const char *text)
{
        char **items = reallocarray(strings->items, strings->count + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        strings->items = items;
        items[strings->count] = strdup(text);
        if (!items[strings->count])
                return -ENOMEM;
        strings->count++;
        return 0;
}

int manifest_seal_recipients(struct manifest_seal *seal, const struct config_strings *recipients)
{
        int r = 0;

        for (size_t i = 0; i < recipients->count && r >= 0; i++)
                r = strings_add(&seal->recipients, recipients->items[i]);
        return r;
}

static int write_encryption(const struct manifest_seal *seal, json_object *object)
{
        _cleanup_json_ json_object *part = json_object_new_object();
        json_object *names = json_object_new_array();
        int r;

        r = part ? json_set(part, "recipients", names) : -ENOMEM;
        for (size_t i = 0; i < seal->recipients.count && r >= 0; i++)
                r = json_append(names, json_object_new_string(seal->recipients.items[i]));
        if (r < 0)
                return r;
        r = json_set_string(part, "format", FORMAT);
        if (r < 0)
                return r;
        return json_set(object, "encryption", TAKE_PTR(part));
}

int manifest_seal_write(const struct manifest_seal *seal, json_object *object)
{
        char text[SHA256_TEXT_SIZE];
        int r;

        if (seal->recipients.count > 0) {
                r = write_encryption(seal, object);
                if (r < 0)
                        return r;
        }
        if (!seal->has_mac)
                return 0;
        return json_set_string(object, "hmac", strchr(digest_format(seal->mac, text), ':') + 1);
}

static int refuse(struct failure *failure, const char *pointer, const char *allowed)
{
        return failure_set(failure, -EINVAL, "InvalidManifest", "%s: not %s", pointer, allowed);
}

static int read_encryption(json_object *object, struct manifest_seal *seal, struct failure *failure)
{
        json_object *part = json_member(object, "encryption", json_type_object), *names;
        const char *format = part ? json_string(part, "format") : NULL;
        int r;

        if (!format || strcmp(format, FORMAT) != 0)
                return refuse(failure, "/encryption/format", FORMAT);
        names = json_member(part, "recipients", json_type_array);
        if (!names || json_object_array_length(names) == 0)
                return refuse(failure, "/encryption/recipients", "a list of recipients");
        for (size_t i = 0; i < json_object_array_length(names); i++) {
                json_object *name = json_object_array_get_idx(names, i);

                if (!json_object_is_type(name, json_type_string))
                        return refuse(failure, "/encryption/recipients", "a list of recipients");
                r = strings_add(&seal->recipients, json_object_get_string(name));
                if (r < 0)
                        return r;
        }

        return 0;
}

static int read_mac(json_object *object, struct manifest_seal *seal, struct failure *failure)
{
        static const char digits[] = "0123456789abcdef";
        const char *text = json_string(object, "hmac");

        if (!text || strlen(text) != 2 * SHA256_SIZE || strspn(text, digits) != 2 * SHA256_SIZE)
                return refuse(failure, "/hmac", "64 lower-case hexadecimal digits");
        for (size_t i = 0; i < SHA256_SIZE; i++)
                seal->mac[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
                                         (strchr(digits, text[2 * i + 1]) - digits));
        seal->has_mac = true;
        return 0;
}

int manifest_seal_read(json_object *object, struct manifest_seal *seal, struct failure *failure)
{
        int r = 0;

        if (json_object_object_get_ex(object, "encryption", NULL))
                r = read_encryption(object, seal, failure);
        if (r >= 0 && json_object_object_get_ex(object, "hmac", NULL))
                r = read_mac(object, seal, failure);
        if (r < 0)
                return r;
        return authenticity_canonical(object, &seal->canonical);
}

/* By way of the text that will be stored, so that what is authenticated is what a reader gets. */
int manifest_authenticate(struct manifest *manifest, const struct authentication_key *key)
{
        _cleanup_free_ char *text = NULL, *canonical = NULL;
        _cleanup_json_ json_object *object = NULL;
        int r;

        r = manifest_format(manifest, true, &text);
        if (r < 0)
                return r;
        r = json_parse(text, strlen(text), &object, NULL);
        if (r < 0)
                return r;
        r = authenticity_canonical(object, &canonical);
        if (r < 0)
                return r;
        r = authenticity_mac(key, canonical, manifest->seal.mac);
        if (r < 0)
                return r;
        manifest->seal.has_mac = true;
        return 0;
}
