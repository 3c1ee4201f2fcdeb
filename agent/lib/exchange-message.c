/* SPDX-License-Identifier: Apache-2.0 */

#include "exchange-message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void exchange_put(FILE *stream, const char *name, const void *value, size_t size)
{
        if (!value)
                return;
        fprintf(stream, "%s %zu\n", name, size);
        fwrite(value, 1, size, stream);
        fputc('\n', stream);
}

void exchange_put_text(FILE *stream, const char *name, const char *text)
{
        exchange_put(stream, name, text, text ? strlen(text) : 0);
}

void exchange_put_number(FILE *stream, const char *name, uint64_t number)
{
        char text[32];

        (void)snprintf(text, sizeof(text), "%" PRIu64, number);
        exchange_put_text(stream, name, text);
}

int exchange_take(char **at, char *end, char **ret_name, char **ret_value, size_t *ret_size)
{
        char *name = *at, *space, *line;
        size_t size;

        if (name == end)
                return 0;
        space = memchr(name, ' ', (size_t)(end - name));
        line = space ? memchr(space, '\n', (size_t)(end - space)) : NULL;
        if (!line)
                return -EBADMSG;
        *space = *line = '\0';
        size = strtoull(space + 1, NULL, 10);
        if (size >= (size_t)(end - line - 1) || line[1 + size] != '\n')
                return -EBADMSG;
        line[1 + size] = '\0';
        *ret_name = name;
        *ret_value = line + 1;
        *ret_size = size;
        *at = line + size + 2;
        return 1;
}
