/* SPDX-License-Identifier: Apache-2.0 */

#include "dns-message.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define HEADER_SIZE   12
#define NAME_MAX_TEXT 253
#define LABEL_MAX     63
#define TYPE_A        1
#define CLASS_IN      1
#define FLAG_ANSWER   0x80 /* in byte 2 */
#define FLAG_RECURSE  0x01

/* Returns the encoded size, or -EINVAL. */
static int write_name(const char *name, uint8_t *at)
{
        const uint8_t *begin = at;
        size_t length = strlen(name);

        if (length > 0 && name[length - 1] == '.')
                length--;
        if (length == 0 || length > NAME_MAX_TEXT)
                return -EINVAL;
        for (const char *end = name + length; name < end;) {
                size_t label = strcspn(name, ".");

                if (label > (size_t)(end - name))
                        label = (size_t)(end - name);
                if (label == 0 || label > LABEL_MAX)
                        return -EINVAL;
                *at++ = (uint8_t)label;
                for (size_t i = 0; i < label; i++, name++) {
                        if (!isalnum((unsigned char)*name) && *name != '-' && *name != '_')
                                return -EINVAL;
                        *at++ = (uint8_t)*name;
                }
                if (name < end && name + 1 == end)
                        return -EINVAL; /* ".." at the end */
                name += name < end;
        }
        *at++ = 0;
        return (int)(at - begin);
}

int dns_query_write(const char *name, uint16_t id, uint8_t ret[static DNS_MESSAGE_MAX])
{
        uint8_t *end;
        int n;

        memset(ret, 0, HEADER_SIZE);
        n = write_name(name, ret + HEADER_SIZE);
        if (n < 0)
                return n;
        ret[0] = (uint8_t)(id >> 8);
        ret[1] = (uint8_t)id;
        ret[2] = FLAG_RECURSE;
        ret[5] = 1; /* one question */
        end = ret + HEADER_SIZE + n;
        memcpy(end, (const uint8_t[]){ 0, TYPE_A, 0, CLASS_IN }, 4);
        return HEADER_SIZE + n + 4;
}

int dns_answer_read(const uint8_t *query, size_t query_size, const uint8_t *message, size_t size)
{
        if (query_size <= HEADER_SIZE || size < HEADER_SIZE || memcmp(message, query, 2) != 0 ||
            !(message[2] & FLAG_ANSWER))
                return -EBADMSG;
        /* A server that did not understand the question need not repeat it. */
        if ((message[3] & 0x0F) == DNS_FORMAT_ERROR && message[4] == 0 && message[5] == 0)
                return DNS_FORMAT_ERROR;
        if (size < query_size || memcmp(message + 4, query + 4, 2) != 0)
                return -EBADMSG;
        /* Case may be changed on the way; length bytes are below 64 and no letters. */
        for (size_t i = HEADER_SIZE; i < query_size; i++)
                if (tolower(message[i]) != tolower(query[i]))
                        return -EBADMSG;
        return message[3] & 0x0F;
}
