/* SPDX-License-Identifier: Apache-2.0 */

#include "base64.h"

#include <errno.h>
#include <string.h>

static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const uint8_t *data, size_t size, char *buffer)
{
        char *at = buffer;

        for (size_t bit = 0; bit < 8 * size; bit += 6) { /* the last character is filled up with zeros */
                unsigned two = (unsigned)data[bit / 8] << 8 | (bit / 8 + 1 < size ? data[bit / 8 + 1] : 0);

                *at++ = characters[two >> (10 - bit % 8) & 63];
        }
        *at = '\0';
        return buffer;
}

int base64_decode(const char *text, size_t length, uint8_t *ret_data)
{
        unsigned bits = 0, n_bits = 0;

        for (size_t i = 0; i < length; i++) {
                const char *found = text[i] ? strchr(characters, text[i]) : NULL;

                if (!found)
                        return -EINVAL;
                bits = (bits << 6 | (unsigned)(found - characters)) & 0x3fff;
                n_bits += 6;
                if (n_bits >= 8)
                        *ret_data++ = (uint8_t)(bits >> (n_bits -= 8));
        }

        return n_bits == 6 || (bits & ((1u << n_bits) - 1)) ? -EINVAL : 0;
}
