/* SPDX-License-Identifier: Apache-2.0 */

#include "body.h"

#include <string.h>

struct body *body_new(const void *data, size_t size)
{
        struct body *body = malloc(sizeof(*body) + size);

        if (!body)
                return NULL;
        body->references = 1;
        body->size = size;
        memcpy(body->data, data, size);
        return body;
}

struct body *body_ref(struct body *body)
{
        body->references++;
        return body;
}

struct body *body_unref(struct body *body)
{
        if (body && --body->references == 0)
                free(body);
        return NULL;
}
