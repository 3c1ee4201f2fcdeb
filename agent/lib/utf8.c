/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

size_t utf8_length(const char *p, const char *end)
{
        const unsigned char *u = (const unsigned char *)p;
        unsigned char low = 0x80, high = 0xBF;
        size_t length;

        if (u[0] < 0x80)
                return 1;
        if (u[0] < 0xC2 || u[0] > 0xF4)
                return 0;

        length = u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
        if ((size_t)(end - p) < length)
                return 0;

        switch (u[0]) {
        case 0xE0:
                low = 0xA0;
                break;
        case 0xED:
                high = 0x9F;
                break;
        case 0xF0:
                low = 0x90;
                break;
        case 0xF4:
                high = 0x8F;
                break;
        default:
                break;
        }
        if (u[1] < low || u[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++)
                if ((u[i] & 0xC0) != 0x80)
                        return 0;
        return length;
}

size_t utf8_put(uint32_t character, char buffer[static 4])
{
        size_t n = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

        if (n == 1) {
                buffer[0] = (char)character;
                return n;
        }
        for (size_t i = n - 1; i > 0; i--) {
                buffer[i] = (char)(0x80 | (character & 0x3F));
                character >>= 6;
        }
        buffer[0] = (char)((0xF00U >> n & 0xF0) | character);
        return n;
}
