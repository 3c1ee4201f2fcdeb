/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An answer, ready to be sent. */

#include <stdbool.h>

#include "body.h"
#include "health-document.h"
#include "json.h"

struct response {
        unsigned status;             /* of the table in statistics.h */
        const char *type;            /* of the content; NULL: there is none */
        char etag[HEALTH_ETAG_SIZE]; /* "": none */
        struct body *body;           /* NULL only together with type */
        uint64_t retry_after_usec;   /* of 429 */
        bool close;                  /* the connection, once this is sent */
};

void response_clear(struct response *response);

/* Each of these replaces the response. They return 0 or -ENOMEM. */
int response_set_text(struct response *response, unsigned status, const char *type, const char *text,
                      size_t size);
/* {"error": message}, and the list under its key when there is one; takes the list over. */
int response_set_error(struct response *response, unsigned status, const char *message, const char *key,
                       json_object *list);

/* The status line and the fields, CR LF at the end of each and an empty line. Returns the size. */
#define RESPONSE_HEADER_MAX 512
size_t response_write_header(const struct response *response, bool keep_alive,
                             char buffer[static RESPONSE_HEADER_MAX]);
