/* SPDX-License-Identifier: Apache-2.0 */

#include "bech32.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>

static const char characters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* BIP 173, "Checksum": a BCH code over GF(32); the state is six elements of five bits. */
static uint32_t checksum_add(uint32_t state, unsigned value)
{
        static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3 };
        uint32_t top = state >> 25;

        state = (state & 0x1ffffff) << 5 ^ value;
        for (unsigned i = 0; i < 5; i++)
                if (top >> i & 1)
                        state ^= generator[i];
        return state;
}

static uint32_t checksum_begin(const char *prefix)
{
        uint32_t state = 1;

        for (const char *at = prefix; *at; at++)
                state = checksum_add(state, (unsigned)*at >> 5);
        state = checksum_add(state, 0);
        for (const char *at = prefix; *at; at++)
                state = checksum_add(state, (unsigned)*at & 31);
        return state;
}

char *bech32_encode(const char *prefix, const uint8_t *data, size_t size, char *buffer)
{
        uint32_t state = checksum_begin(prefix);
        char *at = stpcpy(buffer, prefix);

        *at++ = '1';
        for (size_t bit = 0; bit < 8 * size; bit += 5) { /* the last character is filled up with zeros */
                unsigned two = (unsigned)data[bit / 8] << 8 | (bit / 8 + 1 < size ? data[bit / 8 + 1] : 0);
                unsigned value = two >> (11 - bit % 8) & 31;

                state = checksum_add(state, value);
                *at++ = characters[value];
        }

        for (unsigned i = 0; i < BECH32_CHECKSUM_SIZE; i++)
                state = checksum_add(state, 0);
        state ^= 1;
        for (unsigned i = 0; i < BECH32_CHECKSUM_SIZE; i++)
                *at++ = characters[state >> 5 * (5 - i) & 31];
        *at = '\0';
        return buffer;
}

/* Not tolower(): the locale has no say. */
static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_mixed(const char *text)
{
        bool has_upper = false, has_lower = false;

        for (; *text; text++) {
                has_upper |= *text >= 'A' && *text <= 'Z';
                has_lower |= *text >= 'a' && *text <= 'z';
        }
        return has_upper && has_lower;
}

/* The prefix and the "1" behind it. Prefixes of ours hold no "1" themselves, so the separator, which is the
 * last "1", is the one that follows. */
static const char *skip_prefix(const char *prefix, const char *text)
{
        for (; *prefix; prefix++, text++)
                if (lower(*text) != *prefix)
                        return NULL;
        return *text == '1' ? text + 1 : NULL;
}

/* The text is as long as it has to be for the bytes; the bits that are over must be zero. */
static int decode_data(const char *text, uint32_t *state, uint8_t *data)
{
        const char *checksum = text + strlen(text) - BECH32_CHECKSUM_SIZE;
        unsigned bits = 0, n_bits = 0;

        for (; *text; text++) {
                const char *found = strchr(characters, lower(*text));

                if (!found)
                        return -EINVAL;
                *state = checksum_add(*state, (unsigned)(found - characters));
                if (text >= checksum)
                        continue;
                bits = (bits << 5 | (unsigned)(found - characters)) & 0xfff;
                n_bits += 5;
                if (n_bits >= 8)
                        *data++ = (uint8_t)(bits >> (n_bits -= 8));
        }

        return bits & ((1u << n_bits) - 1) ? -EINVAL : 0;
}

int bech32_decode(const char *prefix, const char *text, uint8_t *ret_data, size_t size)
{
        uint32_t state = checksum_begin(prefix);
        uint8_t data[BECH32_BYTES_MAX];
        int r = -EINVAL;

        if (strlen(text) != BECH32_TEXT_SIZE(strlen(prefix), size) - 1 || is_mixed(text))
                return -EINVAL;
        text = skip_prefix(prefix, text);
        if (text)
                r = decode_data(text, &state, data);
        if (r >= 0 && state != 1)
                r = -EINVAL;
        if (r >= 0)
                memcpy(ret_data, data, size);
        OPENSSL_cleanse(data, sizeof(data));
        return r;
}
