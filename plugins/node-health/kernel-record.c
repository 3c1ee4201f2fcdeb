/* SPDX-License-Identifier: Apache-2.0 */

#include "kernel-record.h"

#include <string.h>

#include "cleanup.h"

/* A decimal number of at most 20 digits and the character behind it. */
static int take_number(char **at, char behind, uint64_t *ret)
{
        uint64_t value = 0;
        char *p = *at;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -EBADMSG;
        if (p == *at || *p != behind)
                return -EBADMSG;
        *at = p + 1;
        *ret = value;
        return 0;
}

int kernel_record_parse(char *record, struct kernel_record *ret)
{
        uint64_t priority, sequence, usec;
        char *at = record;
        int r;

        r = take_number(&at, ',', &priority);
        if (r >= 0)
                r = take_number(&at, ',', &sequence);
        if (r >= 0)
                r = take_number(&at, ',', &usec);
        if (r < 0)
                return r;
        at += strcspn(at, ";\n");
        if (*at != ';' || priority > UINT32_MAX)
                return -EBADMSG;
        at++;
        at[strcspn(at, "\n")] = '\0';
        /* The kernel escapes what is not ASCII (msg_add_ext_text); the text goes into JSON, so be sure. */
        for (char *p = at; *p; p++)
                if (*p < ' ' || *p > '~')
                        *p = '?';
        *ret = (struct kernel_record){
                .facility = (unsigned)priority >> 3,
                .sequence = sequence,
                .usec = usec,
                .text = at,
        };
        return 0;
}
