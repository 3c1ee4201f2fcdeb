/* SPDX-License-Identifier: Apache-2.0 */

/* The first line is a name to ask for, the rest an answer: a question has a size that fits, an answer a code
 * of 0 to 15 or is refused, and a question is no answer. */

#include <string.h>

#include "fuzz.h"

#include "dns-message.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *end = memchr(data, '\n', size);
        uint8_t query[DNS_MESSAGE_MAX];
        char name[512];
        size_t length;
        int n, code;

        if (!end)
                return 0;
        length = (size_t)(end - data);
        if (length >= sizeof(name))
                return 0;
        memcpy(name, data, length);
        name[length] = '\0';
        n = dns_query_write(name, 0x1234, query);
        if (n < 0)
                n = dns_query_write("api.example.org", 0x1234, query);
        PROMISE(n > 12 && n <= DNS_MESSAGE_MAX);
        PROMISE(dns_answer_read(query, (size_t)n, query, (size_t)n) < 0);
        code = dns_answer_read(query, (size_t)n, end + 1, size - length - 1);
        PROMISE(code < 16);
        return 0;
}
