/* SPDX-License-Identifier: Apache-2.0 */

#include "challenge.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* A token, or a quoted string, into value. Returns what follows it, or NULL. */
static const char *take_value(const char *at, char value[static CHALLENGE_VALUE_SIZE])
{
        size_t size = 0;

        if (*at != '"') {
                size = strcspn(at, ", \t");
                if (size >= CHALLENGE_VALUE_SIZE)
                        return NULL;
                memcpy(value, at, size);
                value[size] = '\0';
                return at + size;
        }
        for (at++; *at && *at != '"'; at++) {
                if (*at == '\\' && at[1])
                        at++;
                if (size == CHALLENGE_VALUE_SIZE - 1 || (unsigned char)*at < 0x20)
                        return NULL;
                value[size++] = *at;
        }
        value[size] = '\0';
        return *at == '"' ? at + 1 : NULL;
}

static void note(struct challenge *challenge, const char *name, size_t length, const char *value)
{
        if (length == 5 && strncasecmp(name, "realm", 5) == 0)
                strcpy(challenge->realm, value);
        else if (length == 7 && strncasecmp(name, "service", 7) == 0)
                strcpy(challenge->service, value);
        else if (length == 5 && strncasecmp(name, "scope", 5) == 0)
                strcpy(challenge->scope, value);
}

int challenge_parse(const char *text, struct challenge *ret)
{
        struct challenge challenge = {};
        const char *at = text;

        if (strncasecmp(at, "Bearer", 6) != 0 || (at[6] != ' ' && at[6] != '\t'))
                return -ENOENT;
        at += 6;
        for (;;) {
                char value[CHALLENGE_VALUE_SIZE];
                const char *name;
                size_t length;

                at += strspn(at, " \t,");
                if (!*at)
                        break;
                name = at;
                length = strspn(at, NAME_CHARACTERS);
                at += length;
                if (length == 0 || *at != '=')
                        return -EBADMSG;
                at = take_value(at + 1, value);
                if (!at)
                        return -EBADMSG;
                note(&challenge, name, length, value);
        }
        if (strncmp(challenge.realm, "https://", 8) != 0 && strncmp(challenge.realm, "http://", 7) != 0)
                return -EBADMSG;
        *ret = challenge;
        return 0;
}
